"""Brings a system up as containers, and takes it down."""

from infra.compose.projects import leftover_projects, project_name, remove_project

__all__ = ["leftover_projects", "project_name", "remove_project"]
