"""The machine: its devices, programs that are kept on disk, files of results."""

from .cores import use_all_cores
from .files import plain, read_json, write_json
from .mesh import Machine, this_machine
from .traces import traced

__all__ = ["Machine", "plain", "read_json", "this_machine", "traced", "use_all_cores", "write_json"]
