"""Figures as a benchmark prints them: each on a line, with its target and whether it is met."""


class Verdicts:
    """Prints as it goes, since a run takes minutes; `failed` holds the names of what missed its target."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def note(self, name: str, figure: str) -> None:
        print(f"{name:<34} {figure}", flush=True)

    def at_least(self, name: str, value: float, target: float, figure: str = "") -> None:
        self._judge(name, figure or f"{value:.3g}", f"at least {target:g}", met=value >= target)

    def at_most(self, name: str, value: float, target: float, figure: str = "") -> None:
        self._judge(name, figure or f"{value:.3g}", f"at most {target:g}", met=value <= target)

    def summary(self) -> None:
        print(f"missed: {', '.join(self.failed)}" if self.failed else "every target is met", flush=True)

    def _judge(self, name: str, figure: str, bound: str, *, met: bool) -> None:
        if not met:
            self.failed.append(name)
        self.note(name, f"{figure} ({bound}: {'PASS' if met else 'FAIL'})")
