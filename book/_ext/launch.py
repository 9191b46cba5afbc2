"""Launch buttons: the problem sets that a page names, opened on the host's JupyterHub, Binder or Colab.

Off by default: no address of a copy of this repository is known here. Who hosts one fills in Jupyter Book's own
settings, ``repository`` and ``launch_buttons`` in ``_config.yml``. The theme's buttons would open the page itself,
whose source is Markdown that none of the three can run; these open the notebooks that the reader is to work in.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from sphinx.errors import ConfigError

from lstmlab.checks import problem_sets

SERVICES = {"jupyterhub_url": "JupyterHub", "binderhub_url": "Binder", "colab_url": "Colab"}
ICONS = {"JupyterHub": "_static/images/logo_jupyterhub.svg", "Binder": "_static/images/logo_binder.svg",
         "Colab": "_static/images/logo_colab.png"}
AFTER_THE_MENUS_ARE_MADE = 510


class Host(NamedTuple):
    """Where a copy of the repository is, and which services open it.

    Attributes
    ----------
    repository : str
        Its address, without a slash at the end.
    branch : str
        The branch that holds ``exercises/``.
    services : dict of str to str
        Address by name of the service, for those that are set.
    """

    repository: str
    branch: str
    services: dict[str, str]

    def links(self, name: str) -> dict[str, str]:
        """Address by service that opens the notebook of the problem set `name`."""
        notebook = f"exercises/{name}/{name}.ipynb"
        folder = self.repository.rpartition("/")[2].removesuffix(".git")
        place = urlsplit(self.repository)
        made = {}
        for service, address in self.services.items():
            if service == "JupyterHub":                              # by nbgitpuller
                query = {"repo": self.repository, "branch": self.branch, "urlpath": f"lab/tree/{folder}/{notebook}"}
                made[service] = f"{address}/hub/user-redirect/git-pull?{urlencode(query, safe='/')}"
            elif service == "Binder":
                where = (f"gh{place.path.removesuffix('.git')}" if place.netloc == "github.com"
                         else f"git/{quote(self.repository, safe='')}")
                made[service] = f"{address}/v2/{where}/{self.branch}?urlpath={quote(f'lab/tree/{notebook}')}"
            elif place.netloc == "github.com":                       # Colab opens what is on GitHub, and nothing else
                made[service] = f"{address}/github{place.path.removesuffix('.git')}/blob/{self.branch}/{notebook}"
        return made


def read_settings(theme_options: dict) -> Host | None:
    """Take the settings out of the theme's options; None if no service is set.

    Raises
    ------
    ConfigError
        If a service is set and the repository is not.
    """
    settings = theme_options.pop("launch_buttons", {})
    services = {name: settings[key].rstrip("/") for key, name in SERVICES.items() if settings.get(key)}
    if not services:
        return None
    repository = theme_options.get("repository_url", "").rstrip("/")
    if not repository:
        raise ConfigError(f"_config.yml sets launch_buttons for {', '.join(services)}, but repository: url is empty; "
                          "expected the address of your copy of the repository, which the buttons open")
    return Host(repository, theme_options.get("repository_branch") or "main", services)


def sets_named(text: str) -> list[str]:
    """The problem sets that a page names, in the order of their numbers."""
    return [name for name in problem_sets() if re.search(rf"\b{name}\b", text)]


def add_buttons(app, pagename, templatename, context, doctree) -> None:
    """Put a menu of what can be opened at the top of a page that names a problem set."""
    if app.launch is None or doctree is None:
        return
    names = sets_named(doctree.astext())
    buttons = [{"type": "link", "text": f"{name}, {service}", "tooltip": f"Open {name} on {service}",
                "icon": ICONS[service], "url": url}
               for name in names for service, url in app.launch.links(name).items()]
    if buttons:
        context["header_buttons"].append({"type": "group", "tooltip": "Open the problem set", "icon": "fas fa-rocket",
                                          "buttons": buttons, "label": "launch-buttons"})


def setup(app):
    """Connect to Sphinx."""
    app.connect("config-inited", lambda app, config: setattr(app, "launch", read_settings(config.html_theme_options)))
    app.connect("html-page-context", add_buttons, priority=AFTER_THE_MENUS_ARE_MADE)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
