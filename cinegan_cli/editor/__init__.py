"""The editor: projects, and the server of the page on which they are made."""

from cinegan_cli.editor.bundle import project_at
from cinegan_cli.editor.project import Project, is_project

__all__ = ["Project", "is_project", "project_at"]
