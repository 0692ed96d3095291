"""Where the files that come with Innerwatch are: in a checkout beside the code, in an installed wheel inside it."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_ROOT = _PACKAGE / "bundled" if (_PACKAGE / "bundled").is_dir() else _PACKAGE.parent

RULES = _ROOT / "sigma_rules" / "rules"
KIBANA = _ROOT / "infra" / "kibana"
TEMPLATE = _ROOT / "infra" / "template.yaml"
ELASTICSEARCH = _ROOT / "infra" / "elasticsearch"
