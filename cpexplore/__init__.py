"""Explore GMFCS levels in videos of walking children with cerebral palsy.

The subpackages are imported by name (``from cpexplore import gait``); importing
``cpexplore`` itself does no work.
"""

__version__ = "0.1.0"
