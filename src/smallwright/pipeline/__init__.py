"""The stages joined into one command: a recipe in, a measured package out.

Enters: a recipe. Leaves: a package, its report, and a folder a stage. Contains wiring only.
Not here: what any stage does (the rooms below).
"""

from smallwright.pipeline.build import BuildResult, build
from smallwright.pipeline.demo import build_demo
from smallwright.pipeline.explore import Explored, explore
from smallwright.pipeline.plan import make_plan, render_plan

__all__ = ["BuildResult", "Explored", "build", "build_demo", "explore", "make_plan", "render_plan"]
