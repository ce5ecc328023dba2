"""Evaluation: agents on held-out days, R / R*, intervals and paired differences."""


def __getattr__(name: str) -> object:
    """`run`, imported when asked for: it loads everything that evaluation needs."""
    if name == "run":
        from bidpilot.training.evaluation.run import run

        return run
    raise AttributeError(name)
