"""Measure what is not of this code, keep what was printed, and write the texts of README and docs.

make figures                                # or: python -m docs.figures
make figures ONLY="ablation serving"        # these, which are not measured otherwise; --list says which there are
python -m docs.figures --texts              # the texts alone, of what is kept
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from docs.figures.catalogue import MEASUREMENTS, Measurement
from docs.figures.measure import Ground, is_current, measure
from docs.figures.pages import write_all
from docs.figures.record import Records


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as asked on the command line, or by `arguments`."""
    parser = argparse.ArgumentParser(description="Measure the figures of README and docs, and write the texts.")
    parser.add_argument("--only", nargs="*", choices=sorted(MEASUREMENTS), help="measure these, and no others")
    parser.add_argument("--fresh", action="store_true", help="measure and train anew, be it of this code already")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of recorded data")
    parser.add_argument("--texts", action="store_true", help="write the texts alone")
    parser.add_argument("--list", action="store_true", help="say what there is, and measure nothing")
    asked = parser.parse_args(arguments)
    ground, records = Ground.here(asked.data.resolve()), Records()
    if asked.list:
        for measurement in MEASUREMENTS.values():
            print(f"{measurement.name:<15} {measurement.minutes:>3} minutes  {_standing(measurement, records, ground)}")
        return
    if asked.fresh:
        shutil.rmtree(ground.work, ignore_errors=True)
    chosen = [MEASUREMENTS[name] for name in asked.only or ()] or [m for m in MEASUREMENTS.values() if m.usual]
    for measurement in () if asked.texts else chosen:
        standing = _standing(measurement, records, ground)
        if standing == "of this code" and not asked.fresh:
            print(f"{measurement.name}: {standing}")
        elif measurement.recorded and not ground.data.is_dir():
            print(f"{measurement.name}: left as it is, since there is no recorded data in {ground.data}; give --data")
        else:
            records.keep(measurement.name, measure(measurement, ground))
    write_all(records)


def _standing(measurement: Measurement, records: Records, ground: Ground) -> str:
    if measurement.name not in list(records):
        return "never measured"
    record = records[measurement.name]
    if is_current(record, measurement, ground.code):
        return "of this code"
    return f"of {record.made.get('texts') or record.made.get('git.commit', 'unknown')[:7]}"


if __name__ == "__main__":
    main()
