"""What we use of mrjob 0.7.4, imported so that it works where Python no longer has `pipes` and `distutils` (3.13, 3.12).

mrjob uses three names of the two modules. Where the modules are gone, stand-ins with these three names are put in
`sys.modules`; a node then needs numpy and nothing else. Everything of mrjob is imported through here.
"""

import re
import shlex
import shutil
import sys
import types
from importlib.util import find_spec


class LooseVersion:
    """Versions that compare piece by piece, numbers as numbers: enough for mrjob's `version_gte`."""

    def __init__(self, vstring):
        self.vstring = vstring
        self.version = [int(piece) if piece.isdigit() else piece for piece in re.findall(r"\d+|[a-z]+", vstring)]

    def __lt__(self, other):
        return self.version < LooseVersion(str(other)).version

    def __ge__(self, other):
        return not self < other

    def __str__(self):
        return self.vstring


def _stand_in(name, **attributes):
    module = types.ModuleType(name)
    vars(module).update(attributes)
    sys.modules[name] = module
    return module


def install():
    """Puts the stand-ins in place of the modules this interpreter lacks, and of those that would only cost time."""
    if sys.version_info >= (3, 13) and find_spec("pipes") is None:
        _stand_in("pipes", quote=shlex.quote)
    # Asked by version, not by find_spec: setuptools' own distutils would take 80 ms of every task's start.
    if "distutils" not in sys.modules:
        package = _stand_in("distutils", __path__=[])
        package.spawn = _stand_in("distutils.spawn", find_executable=shutil.which)
        package.version = _stand_in("distutils.version", LooseVersion=LooseVersion)


def remove():
    """Gives the name back to an interpreter that has a distutils of its own, once mrjob has what it wants of it."""
    if sys.version_info < (3, 12) and getattr(sys.modules.get("distutils"), "__path__", None) == []:
        for name in ("distutils", "distutils.spawn", "distutils.version"):
            del sys.modules[name]


install()

from mrjob.compat import jobconf_from_env  # noqa: E402
from mrjob.conf import load_opts_from_mrjob_confs  # noqa: E402
from mrjob.job import MRJob  # noqa: E402
from mrjob.protocol import BytesProtocol, BytesValueProtocol  # noqa: E402

remove()

__all__ = ["BytesProtocol", "BytesValueProtocol", "MRJob", "jobconf_from_env", "load_opts_from_mrjob_confs"]
