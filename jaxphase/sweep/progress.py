"""The progress bar of a sweep: bucket, models, steps per second, time left."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from jaxphase.sweep.planning import Plan


class Meter(NamedTuple):
    """Where a sweep reports its progress.

    Attributes:
        bar: The progress bar.
        task: Its only task.
        plan: The plan, which decides the share of each bucket.
    """

    bar: Progress
    task: TaskID
    plan: Plan

    def start(self, number: int) -> None:
        """Show that bucket `number` has begun, or waits for its program."""
        bucket = self.plan.buckets[number]
        text = f"bucket {number + 1}/{len(self.plan.buckets)}  {len(bucket.lanes)} models to width {bucket.width}"
        self.bar.update(self.task, description=text, rate="compiling")

    def advance(self, number: int, steps: int, seconds: float | None = None) -> None:
        """Show that `steps` more are done in bucket `number`, in `seconds`, or in an earlier run if that is None."""
        share = self.plan.run_seconds(self.plan.buckets[number]) * steps / self.plan.steps
        rate = f"{steps / seconds:.0f} steps/s" if seconds else "resumed"
        self.bar.update(self.task, advance=share, rate=rate)


@contextmanager
def meter(plan: Plan, show: bool) -> Iterator[Meter]:
    """Show a bar on standard error while the context is open, unless `show` is false."""
    total = sum(plan.run_seconds(bucket) for bucket in plan.buckets)
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bar:
        yield Meter(bar, bar.add_task("planning", total=total, rate=""), plan)
