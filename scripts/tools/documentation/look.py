# Licensed to the Apache Software Foundation (ASF) under one
# or more contributor license agreements.  See the NOTICE file
# distributed with this work for additional information
# regarding copyright ownership.  The ASF licenses this file
# to you under the Apache License, Version 2.0 (the
# "License"); you may not use this file except in compliance
# with the License.  You may obtain a copy of the License at
#
#   http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing,
# software distributed under the License is distributed on an
# "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
# KIND, either express or implied.  See the License for the
# specific language governing permissions and limitations
# under the License.
"""Opens each page that was built in a browser, on a phone's screen and on a desk's; ``scripts/docs --look`` calls it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools.harness.browser import Browser

#: CSS pixels.
WIDTHS = (375, 1280)
HEIGHT = 900
#: Returns a sentence for each fault of the page that is open; the folder of all pages is put in.
FAULTS = """
const width = window.innerWidth, faults = [];
const named = (element) => `<${element.localName}> "${element.textContent.trim().slice(0, 40)}"`;
const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
if (document.documentElement.scrollWidth > width) {
    faults.push(`the page is ${document.documentElement.scrollWidth} px wide`);
}
for (const cell of document.querySelectorAll("td, th")) {
    let box = cell;
    while (box !== document.body && !scrolls(box)) box = box.parentElement;
    const within = box.getBoundingClientRect(), at = cell.getBoundingClientRect();
    if (within.right > width + 1 || at.right - within.left > box.scrollWidth + 2) {
        faults.push(`out of reach: ${named(cell)}`);
    }
    if (cell.scrollWidth > cell.clientWidth + 1) faults.push(`wider than its cell: ${named(cell)}`);
}
for (const picture of document.images) {
    if (!picture.naturalWidth) faults.push(`no picture: ${picture.src}`);
}
for (const { name } of performance.getEntriesByType("resource")) {
    if (!name.startsWith("FOLDER") && !name.startsWith("data:")) faults.push(`a request to ${name}`);
}
return faults;
"""


def main(folder: Path, chromedriver: str) -> int:
    """Print what is wrong with each page in a folder, and return the exit code."""
    pages = sorted(folder.rglob("*.html"))
    script = FAULTS.replace("FOLDER", folder.as_uri())
    faults = 0
    with Browser(chromedriver) as browser:
        for width in WIDTHS:
            browser.narrow(width, HEIGHT)
            for page in pages:
                browser.open(page.as_uri())
                for fault in (*browser.run(script), *_dead_links(browser)):
                    print(f"{page.relative_to(folder)} at {width} px: {fault}")
                    faults += 1
    print(f"{len(pages)} pages at {' and '.join(map(str, WIDTHS))} px: {faults or 'no'} faults")
    return bool(faults)


def _dead_links(browser: Browser) -> Iterator[str]:
    """Yield a sentence for each link to a file that is not there; Sphinx has checked the headings."""
    for address in browser.run("return [...document.links].map((link) => link.href)"):
        link = urlsplit(address)
        if link.scheme == "file" and not Path(unquote(link.path)).is_file():
            yield f"a link leads nowhere: {address}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
