"""The machine: devices, meshes of them, programs that are kept, files written whole."""

from .cores import use_all_cores
from .traces import traced

__all__ = ["traced", "use_all_cores"]
