"""`bidpilot sources`: which sources of a recorded log the detector limits or refuses, why, and what that saves."""

from __future__ import annotations

from rich.console import Console

from bidpilot.envs.logs.decisions import refused_requests
from bidpilot.envs.logs.storage import load_log, read_set_aside
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.ground import find_trained
from bidpilot.training.evaluation.suites import log_arena
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import waiting
from bidpilot.training.report.sources import Review, print_review, source_map
from bidpilot.training.setting.setting import recorded_setting
from bidpilot.training.sources.config import SourcesConfig
from bidpilot.training.sources.review import check_sources, review
from bidpilot.training.tracking import open_run


def run(config: SourcesConfig) -> Review:
    """Review the log's sources; print, draw, log and write what was found.

    Raises:
        InvalidLog: the folder holds no readable log, or one that tells no sources apart.
        DamagedLog: what its import set aside cannot be read.
        ForecastMismatch: the forecast tells other sources apart.
        RunNotFound, InvalidConfig: whose forecast was asked for is not there, or shares days with the log.
    """
    console, log = Console(), load_log(config.log)
    if config.forecast is None:
        setting = recorded_setting(log)
        forecast, campaign, whose = setting.forecast, setting.campaign, "its own, all days under review"
    else:
        trained = find_trained(log, config.forecast, (), config.experiment)
        forecast, campaign, whose = trained.forecast, trained.campaign, str(trained.part)
    check_sources(log, forecast)
    by_server = refused_requests(read_set_aside(config.log), log.sources, log.slots)
    with waiting(console, f"reviewing the sources of {log.name}"):
        found, drawn = review(log, log_arena(log, forecast, campaign), whose, by_server)
    title = f"Sources of {log.name}, {log.n_days} days"
    figure = source_map(drawn.refused, drawn.suspicion, drawn.spend, title, drawn.by_server)
    with open_run(config.experiment, f"sources {log.name}", changed(config), kind="sources", config=config) as tracked:
        tracked.log_metrics({"saved": found["saved"], "refused": found["refused"]}, 0)
        tracked.log_json(found, "sources.json")
        tracked.log_figure(figure, "figures/sources.png")
    print_review(found, config.top, console)
    write_json(config.json_file, found)
    write_figure(config.figure, figure)
    return found
