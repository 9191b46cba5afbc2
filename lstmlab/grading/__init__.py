"""Marks, formed outside the student's process: the sandbox, the judging, the gradebook."""
