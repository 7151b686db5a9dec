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
"""
Looks for containers of the deployment that nobody wants any more, and has them stopped.

A launch can be given up while its container is still on its way: Airflow resets what a killed scheduler has left, or
revokes what is queued for too long, and AWS carries out the RunTask afterwards. So the containers of the deployment
are listed as often as Airflow looks for orphans, one call at a time, and those that no launch of this fleet is for are
described. They cross to the scheduler's thread as one event, ``database.given_up()`` compares them with the database
(:func:`is_given_up`), and what comes back is stopped like a revoked launch.

Who has launched a container stands in its identity: the id of the scheduler's job and the moment when that began. So the
containers of a scheduler that lives are left to it, and those of another Airflow, whose jobs have the same numbers, are
nobody's business. A task instance that runs is left alone, too: up to 3.0 it may run in any of its containers. What has
started is left ten minutes (:data:`ENDING`) to end by itself, for the task instance's state changes before its container
is done. What this leaves open is told in ``docs/executor/fargate.rst``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from airflow.executors.fargate.ecs import MAX_DESCRIBED, MAX_LISTED, Ecs
from airflow.executors.fargate.launch import Identity, Stranger, Strangers
from airflow.executors.fargate.outcome import Verdict, judge_error, judge_task

if TYPE_CHECKING:
    from airflow.executors.fargate.adoption import Candidate
    from airflow.executors.fargate.launch import Event
    from airflow.executors.fargate.pool import Result
    from airflow.executors.fargate.run import Pool
    from airflow.executors.fargate.throttle import TokenBucket

log = logging.getLogger(__name__)

#: Seconds before each of the first sweeps, and of those after launches were given up: AWS may still carry out the
#: RunTask of a scheduler that is gone. Then a sweep comes each interval.
FIRST_DELAYS = (5.0, 10.0, 15.0, 30.0)
#: Seconds before a sweep at least, however short the interval is that Airflow is given for its own look for orphans.
SHORTEST_DELAY = 1.0
#: A sweep makes one call at a time, and not more than this share of what the bucket admits.
SHARE = 0.1
#: Seconds that a container which has started is left to end by itself. It may have done its work and be writing its log,
#: and one whose start Airflow refuses, or whose task instance was taken from it, ends within some heartbeats of its own.
ENDING = 600.0
REASON = "Airflow has given up the launch"
#: States of a task instance in which one of its containers runs, which may be any: the others end by themselves.
MAY_RUN = frozenset({"running", "restarting"})
QUEUED = "queued"


def is_given_up(identity: Identity, state: str | None, present: Candidate | None) -> bool:
    """
    Tell whether a container's launch is no longer that of its task instance.

    The scheduler that handed it over is gone, or does not know it any more.

    :param state: the task instance's state in the database.
    :param present: its present launch; None where there is no such task instance any more.
    """
    if present is None:
        return True
    if state in MAY_RUN:
        # It may run in this very container: Airflow 2.11 and 3.0 admit any that starts while the task instance is queued.
        return False
    return state != QUEUED or not present.is_present(identity)


class Owner(Protocol):
    """Whose containers are no strangers."""

    def arns(self) -> Collection[str]:
        """Return the ARNs of the containers that are followed."""

    def knows(self, launch_id: str) -> bool:
        """Tell whether the launch is not over."""

    def discard(self, stranger: Stranger, reason: str) -> None:
        """Stop a container."""


class Sweeping:
    """
    Finds the strangers among the deployment's containers, step by step.

    Its budget, for each ``interval``: a call for each cluster and each 100 containers of the deployment there, and one for
    each 100 strangers that were not seen before, such as those of another scheduler. They come out of the bucket of
    ``describe_rate``, and take at most a tenth of it.

    :param ecs: makes the calls.
    :param clusters: where containers are listed, one after the other.
    :param deployment: the ``startedBy`` of the containers.
    :param interval: seconds between two sweeps; None for none at all.
    :param pool: makes the calls.
    :param post: brings a function and its arguments to the fleet's thread.
    :param owner: knows its own containers, and stops others.
    :param emit: takes an event to the executor.
    :param bucket: admits the calls.
    :param clock: seconds, never going backwards.
    """

    def __init__(
        self,
        *,
        ecs: Ecs,
        clusters: Sequence[str],
        deployment: str,
        interval: float | None,
        pool: Pool,
        post: Callable[..., None],
        owner: Owner,
        emit: Callable[[Event], None],
        bucket: TokenBucket,
        clock: Callable[[], float],
    ) -> None:
        self._ecs = ecs
        self._clusters = clusters
        self._deployment = deployment
        self._interval = interval if clusters else None
        self._pool = pool
        self._post = post
        self._owner = owner
        self._emit = emit
        self._bucket = bucket
        self._clock = clock
        #: What has been seen by ARN; None where it is nobody's business, since it is no launch's or has ended.
        self._seen: dict[str, Stranger | None] = {}
        #: Since when a container that has started is given up.
        self._given_up: dict[str, float] = {}
        self._failures = 0  # in a row
        #: Clusters of which it was said that AWS refuses a call there for good.
        self._refused: set[str] = set()
        self._sweep = 0
        self._begin_anew()
        self.hasten()

    def hasten(self) -> None:
        """Sweep soon, and more often for a while: launches have been given up whose container may come late."""
        self._delays = iter(FIRST_DELAYS)
        if not self._unlisted and not self._undescribed and not self._under_way:
            self._plan()

    def clear(self) -> None:
        """Leave off the sweep under way; the next one comes in its time."""
        self._begin_anew()
        self._plan()

    def work(self) -> float | None:
        """Make the call whose turn it is; return when to look again, or None if only a message can tell."""
        if self._due is None or self._under_way:
            return None
        if self._clock() >= self._due and self._bucket.take():
            self._step()
            return None
        return max(self._due, self._bucket.ready_at())

    def judged(self, arns: Iterable[str]) -> None:
        """Take the answer to :class:`Strangers`: which of them have been given up. What has not started is stopped."""
        given_up = set(arns)
        now = self._clock()
        self._given_up = {arn: self._given_up.get(arn, now) for arn in given_up}
        for arn in given_up:
            stranger = self._seen.get(arn)
            if stranger is None or self._owner.knows(stranger.identity.launch_id):
                continue
            if stranger.started and now - self._given_up[arn] < ENDING:
                continue
            if not stranger.started and arn not in self._fresh:
                # It may have started since then: the next sweep sees, and that comes soon.
                del self._seen[arn]
                self.hasten()
                continue
            self._owner.discard(stranger, REASON)

    def _begin_anew(self) -> None:
        self._sweep += 1
        self._under_way = False
        #: Clusters that have still to be listed, and the pages of the first of them.
        self._unlisted: list[str] = []
        self._pages: Iterator[str] | None = None
        #: The cluster of each container that is listed.
        self._listed: dict[str, str] = {}
        #: What is still to be described: clusters, and as many ARNs as one call takes.
        self._undescribed: list[tuple[str, list[str]]] = []
        self._fresh: set[str] = set()

    def _plan(self) -> None:
        self._due: float | None = None
        if self._interval is not None:
            delay = min(self._interval, next(self._delays, self._interval))
            self._due = self._clock() + max(SHORTEST_DELAY, delay)

    def _step(self) -> None:
        """Make one call: for a page of a list, or for a hundred containers of a cluster that were not seen before."""
        if self._undescribed:
            cluster, batch = self._undescribed.pop(0)
            self._make(cluster, partial(self._ecs.describe_tasks, cluster, batch), self._described)
            return
        if not self._unlisted:
            self._begin_anew()
            self._unlisted = list(self._clusters)
        cluster = self._unlisted[0]
        if self._pages is None:
            self._pages = self._ecs.list_running(cluster, self._deployment)
        # Lazily, so that it is one call: the next one is made for what comes after this page.
        self._make(cluster, partial(list, islice(self._pages, MAX_LISTED)), self._page)

    def _make(self, cluster: str, call: Callable[[], Any], then: Callable[[str, Any], None]) -> None:
        self._under_way = True
        called_at, sweep = self._clock(), self._sweep
        self._pool.submit(
            call,
            lambda result: self._post(self._done, sweep, called_at, partial(then, cluster), cluster, result),
        )

    def _done(
        self, sweep: int, called_at: float, then: Callable[[Any], None], cluster: str, result: Result
    ) -> None:
        if sweep != self._sweep:
            return
        self._under_way = False
        if result.error is None:
            self._failures = 0
        elif not self._is_refused(cluster, result.error):
            self._failed(result.error, called_at)
            return
        self._due = self._clock() + 1 / (self._bucket.rate * SHARE)
        # What AWS refuses in one cluster tells of none there, and keeps nobody from looking into the others.
        then(() if result.error is not None else result.value)
        if not self._unlisted and not self._undescribed:
            self._end()

    def _page(self, cluster: str, arns: Sequence[str]) -> None:
        self._listed.update(dict.fromkeys(arns, cluster))
        if len(arns) == MAX_LISTED:
            return
        self._unlisted.pop(0)
        self._pages = None
        if not self._unlisted:
            self._seen = {arn: stranger for arn, stranger in self._seen.items() if arn in self._listed}
            self._undescribed = [*self._batches()]

    def _batches(self) -> Iterator[tuple[str, list[str]]]:
        """Yield what was not seen before, by cluster, in pieces that one call takes."""
        unseen = self._listed.keys() - self._seen.keys() - set(self._owner.arns())
        for cluster in self._clusters:
            arns = sorted(arn for arn in unseen if self._listed[arn] == cluster)
            for start in range(0, len(arns), MAX_DESCRIBED):
                yield cluster, arns[start : start + MAX_DESCRIBED]

    def _described(self, cluster: str, answer: Any) -> None:
        tasks = answer.get("tasks") if isinstance(answer, Mapping) else None
        for task in tasks or ():
            if isinstance(task, Mapping) and isinstance(task.get("taskArn"), str):
                self._fresh.add(task["taskArn"])
                self._seen[task["taskArn"]] = self._read(cluster, task)

    def _read(self, cluster: str, task: Mapping[str, Any]) -> Stranger | None:
        """Return what is to be known of a container; None where nobody shall touch it."""
        identity = Identity.of(task) if task.get("startedBy") == self._deployment else None
        if identity is None or identity.scheduler is None:
            return None
        outcome = judge_task(task, identity.container_name)
        if outcome.verdict is not Verdict.LIVE:
            return None  # Its work is over.
        return Stranger(identity, task["taskArn"], task.get("clusterArn") or cluster, outcome.started)

    def _end(self) -> None:
        """Tell of the strangers; those of launches that have an answer by now are none."""
        strangers = tuple(
            stranger
            for stranger in self._seen.values()
            if stranger is not None and not self._owner.knows(stranger.identity.launch_id)
        )
        self._listed = {}
        self._plan()
        if strangers:
            self._emit(Strangers(strangers))

    def _is_refused(self, cluster: str, error: BaseException) -> bool:
        """Tell whether AWS refuses the call in this cluster for good, and say so the first time."""
        outcome = judge_error(error)
        if outcome.verdict is not Verdict.FAILED:
            return False
        if cluster not in self._refused:
            log.warning(
                "Containers that nobody wants cannot be looked for in cluster %s: %s", cluster, outcome.reason
            )
        self._refused.add(cluster)
        return True

    def _failed(self, error: BaseException, called_at: float) -> None:
        """Leave it at that: the next sweep sees what this one has not."""
        outcome = judge_error(error)
        self._failures += 1
        if self._failures == 1:
            log.warning("Containers that nobody wants cannot be looked for, trying again: %s", outcome.reason)
        if outcome.verdict is Verdict.THROTTLED:
            self._bucket.slow_down(called_at)
        elif outcome.verdict is Verdict.CREDENTIALS:
            self._ecs.renew()
        self.clear()
