"""The table of what is to be reached: ratios between two sides that took turns, and whether they are there."""

import report


class Verdicts:
    def __init__(self):
        self.rows = []

    def _add(self, what, target, values, reached, cpu=""):
        least, middle, most = (f"{value:.3g}" for value in (min(values), report.median(values), max(values)))
        shown = f"{middle} ({least} .. {most})"
        self.rows.append([what, target, shown, cpu, "reached" if reached else "missed"])

    def rates(self, what, ours, theirs, at_least, p99_at_most=None, unit="requests/s"):
        """Of two lists of Sample, turn by turn: their rates, and the 99th percentile where it has a target."""
        values = [a.rate / b.rate for a, b in zip(ours, theirs)]
        cpu = f"{report.median([b.cpu / a.cpu for a, b in zip(ours, theirs)]):.1f}"
        self._add(f"{what}: {unit}", f"at least {at_least}", values, report.median(values) >= at_least, cpu)
        if p99_at_most:
            values = [a.p99 / b.p99 for a, b in zip(ours, theirs)]
            self._add(f"{what}: p99", f"at most {p99_at_most:.3g}", values, report.median(values) <= p99_at_most)

    def at_least(self, what, ours, theirs, target):
        values = [a / b for a, b in zip(ours, theirs)]
        self._add(what, f"at least {target}", values, report.median(values) >= target)

    def at_most(self, what, ours, theirs, target):
        values = [a / b for a, b in zip(ours, theirs)]
        self._add(what, f"at most {target}", values, report.median(values) <= target)

    def left_out(self, what, target, why):
        self.rows.append([what, target, "left out", "", why])

    def table(self):
        return report.table(["Tandem / the other side", "to reach", "median (noise)", "their CPU a request / ours", ""], self.rows)
