"""Workspaces: one folder with data, models, posterior and products of an analysis."""

from bayesmap.workspace.products import Products
from bayesmap.workspace.workspace import Workspace

__all__ = ["Products", "Workspace"]
