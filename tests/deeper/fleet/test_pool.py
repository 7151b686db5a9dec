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
"""Tests of the threads that make calls."""

from __future__ import annotations

import gc
import queue
import threading
import weakref

import pytest

from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate.fleet.context import DaemonPool

#: Seconds after which a test that waits for another thread fails; none takes that long.
PATIENCE = 10


@pytest.fixture
def make_pool(request):
    """Return a function that makes a pool with names of its own, which is closed after the test."""
    pools = []

    def make(size):
        pools.append(DaemonPool(request.node.name, size))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()
    for thread in threads_of(request):
        thread.join(PATIENCE)


def threads_of(request):
    return [t for t in threading.enumerate() if t.name.startswith(f"{THREAD_NAMES}{request.node.name}-")]


class Results(queue.SimpleQueue):
    """What calls have returned or raised."""

    def add(self, value, error):
        self.put((value, error))


class TestDaemonPool:
    def test_hands_on_what_a_call_returns(self, make_pool):
        """The callback gets what a call returns, on another thread."""
        results = queue.SimpleQueue()
        make_pool(2).submit(lambda: 7, lambda *result: results.put((result, threading.current_thread())))
        result, thread = results.get(timeout=PATIENCE)
        assert result == (7, None)
        assert thread is not threading.current_thread()

    @pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3)])
    def test_hands_on_what_a_call_raises_and_goes_on(self, error, make_pool):
        """Any exception is a result, and its thread makes the next call."""

        def fail():
            raise error

        pool, results = make_pool(1), Results()
        pool.submit(fail, results.add)
        pool.submit(lambda: "next", results.add)
        assert results.get(timeout=PATIENCE) == (None, error)
        assert results.get(timeout=PATIENCE) == ("next", None)

    def test_makes_as_many_calls_at_once_as_it_has_threads(self, make_pool):
        """As many calls are under way as there are threads; the next one waits."""
        pool, results = make_pool(3), Results()
        together, go = threading.Barrier(4), threading.Event()

        def call():
            together.wait(PATIENCE)
            go.wait(PATIENCE)

        for _ in range(3):
            pool.submit(call, results.add)
        pool.submit(lambda: "fourth", results.add)
        together.wait(PATIENCE)
        assert results.empty()
        go.set()
        assert [results.get(timeout=PATIENCE)[1] for _ in range(4)] == [None] * 4

    def test_starts_no_thread_before_the_first_call(self, make_pool, request):
        """Threads start with the first call: Airflow 2.11 forks a process after the executor's start."""
        pool, results = make_pool(2), Results()
        assert threads_of(request) == []
        pool.submit(lambda: 1, results.add)
        results.get(timeout=PATIENCE)
        assert len(threads_of(request)) == 2
        assert all(thread.daemon for thread in threads_of(request))

    def test_ends_its_threads_once_the_calls_are_made(self, make_pool, request):
        """The calls that were submitted before ``close`` are made, then the threads end."""
        pool, results = make_pool(2), Results()
        for number in range(10):
            pool.submit(lambda number=number: number, results.add)
        threads = threads_of(request)
        pool.close()
        for thread in threads:
            thread.join(PATIENCE)
        assert threads_of(request) == []
        assert sorted(results.get(timeout=PATIENCE)[0] for _ in range(10)) == list(range(10))

    def test_can_be_closed_without_ever_having_been_used(self, make_pool, request):
        """Closing a pool that made no call starts no thread."""
        make_pool(2).close()
        assert threads_of(request) == []

    def test_keeps_no_answer_in_memory_while_it_waits(self, make_pool):
        """A waiting thread does not keep the last answer, which can be large."""

        class Answer:
            pass

        kept, told, gone = [], threading.Event(), threading.Event()

        def then(value, error):
            kept.append(weakref.ref(value, lambda _: gone.set()))
            told.set()

        make_pool(1).submit(Answer, then)
        assert told.wait(PATIENCE)
        gc.collect()
        assert gone.wait(PATIENCE)
