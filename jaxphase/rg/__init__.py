"""Renormalization: exact maps and their fixed points, trained networks coarse-grained step by step, depth as a scale.

The public names are listed in `__init__.pyi`. Each is loaded when it is first used; only the names that work on
networks load flax.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
