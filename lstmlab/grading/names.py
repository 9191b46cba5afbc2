"""Names on the Formgrader's pages are text: its templates print them as they stand in the roster, markup and all."""

from __future__ import annotations

import html

from nbconvert.preprocessors import Preprocessor


class EscapeNames(Preprocessor):
    """Escapes what the page of a submission says about its student."""

    enabled = True

    def preprocess(self, nb, resources):
        """Leave the notebook as it is."""
        for key in ("student", "first_name", "last_name", "notebook_path"):
            if isinstance(resources.get(key), str):
                resources[key] = html.escape(resources[key])
        return nb, resources
