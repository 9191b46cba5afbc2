"""nbgrader's settings for this course; every `nbgrader` command and the Formgrader read them."""

from pathlib import Path

import nbgrader
from nbgrader.converters import GenerateAssignment

import lstmlab
from lstmlab.grading.autograde import take_over

c = get_config()  # noqa: F821  (nbgrader provides it)

c.CourseDirectory.course_id = "lstmlab"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = "class/submitted"
c.CourseDirectory.autograded_directory = "class/autograded"
c.CourseDirectory.feedback_directory = "class/feedback"
c.CourseDirectory.db_url = "sqlite:///class/gradebook.db"

# A release as nbgrader makes it, and the numbers of the book's equations under each task.
c.GenerateAssignment.preprocessors = ["lstmlab.grading.citations.CiteEquations", *GenerateAssignment().preprocessors]

# `nbgrader autograde` and the Formgrader's button grade as `lstmlab grade` does. Should that line get lost, nbgrader's
# own grader has nothing to run and nothing to save.
take_over()
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = []
# Late policies and extensions of class/dates.toml, as `lstmlab dates` applied them.
c.AssignLatePenalties.plugin_class = "lstmlab.grading.dates.LatePolicy"
c.ExportApp.plugin_class = "lstmlab.grading.export.StatusCsvExportPlugin"

# Feedback is our own page; nbgrader copies nothing that students handed in beside their notebooks into its folder.
c.GenerateFeedback.exporter_class = "lstmlab.grading.feedback.FeedbackExporter"
c.GenerateFeedback.permissions = 600
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback",
                            "*.htm*", "*.xht*", "*.svg*", "*.xml"]

# What students wrote is hostile in an instructor's browser: no script, no handler, no load from outside.
c.HTMLExporter.sanitize_html = True
c.HTMLExporter.preprocessors = ["lstmlab.grading.names.EscapeNames"]
c.HTMLExporter.filters = {"markdown2html": "lstmlab.grading.markdown.safe_markdown",
                          "highlight_code": "lstmlab.grading.pages.highlighted"}
c.HTMLExporter.extra_template_basedirs = [
    str(Path(lstmlab.__file__).parent / "grading" / "templates"),
    str(Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"),
]
