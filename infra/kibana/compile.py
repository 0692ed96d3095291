"""Compiles dashboards/*.yml with kb-dashboard-core and prints the saved objects, one JSON object a line.

Runs in an environment of its own (Python 3.12 or newer, kb-dashboard.lock): `make dashboards` sees to that.
"""

import json
import sys
from pathlib import Path

from kb_dashboard_core import load, render

for path in sorted(Path(sys.argv[1]).glob("*.yml")):
    for dashboard in load(str(path)):
        print(json.dumps(render(dashboard).model_dump(by_alias=True)))
