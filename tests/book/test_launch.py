"""Launch buttons: off until a host fills in an address, and then they open the problem set that a page names."""

import importlib.util
from pathlib import Path

import pytest
import yaml
from sphinx.errors import ConfigError

ROOT = Path(__file__).parents[2]
GITHUB = "https://github.com/an-organisation/a-course"
ALL = {"jupyterhub_url": "https://hub.example.org/", "binderhub_url": "https://mybinder.org",
       "colab_url": "https://colab.research.google.com"}


@pytest.fixture(scope="module")
def launch():
    """The book's extension, loaded as a module."""
    spec = importlib.util.spec_from_file_location("launch", ROOT / "book" / "_ext" / "launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def host(launch, repository=GITHUB, **services):
    """What the extension reads from such settings."""
    return launch.read_settings({"repository_url": repository, "repository_branch": "main",
                                 "launch_buttons": services or ALL})


def test_off_as_delivered(launch):
    """With the settings of _config.yml there is no button, for no address is filled in."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert set(config["launch_buttons"]) == set(launch.SERVICES)
    assert launch.read_settings({"launch_buttons": config["launch_buttons"], "repository_url": ""}) is None


def test_theme_adds_no_button_of_its_own(launch):
    """The settings are taken out of the theme's options: its buttons would open Markdown that nothing runs."""
    options = {"repository_url": GITHUB, "launch_buttons": dict(ALL)}
    launch.read_settings(options)
    assert "launch_buttons" not in options


def test_a_service_without_a_repository_is_refused(launch):
    """A service without a repository cannot open anything, and the build says so."""
    with pytest.raises(ConfigError, match="repository: url is empty"):
        host(launch, repository="", binderhub_url="https://mybinder.org")


def test_links_open_the_notebook(launch):
    """Each service's link is of the form that the service documents, and names the notebook."""
    links = host(launch).links("ps7-gru")
    assert links == {
        "JupyterHub": "https://hub.example.org/hub/user-redirect/git-pull?repo=https%3A//github.com/an-organisation/"
                      "a-course&branch=main&urlpath=lab/tree/a-course/exercises/ps7-gru/ps7-gru.ipynb",
        "Binder": "https://mybinder.org/v2/gh/an-organisation/a-course/main"
                  "?urlpath=lab/tree/exercises/ps7-gru/ps7-gru.ipynb",
        "Colab": "https://colab.research.google.com/github/an-organisation/a-course/blob/main/exercises/"
                 "ps7-gru/ps7-gru.ipynb"}
    assert (ROOT / "exercises" / "ps7-gru" / "ps7-gru.ipynb").is_file()


def test_elsewhere_than_github(launch):
    """Binder takes any repository by its whole address; Colab opens GitHub alone and gets no button."""
    links = host(launch, "https://git.example.org/course.git").links("ps7-gru")
    assert "/v2/git/https%3A%2F%2Fgit.example.org%2Fcourse.git/main?" in links["Binder"]
    assert "/course/exercises/" in links["JupyterHub"]
    assert "Colab" not in links


def test_pages_name_their_problem_sets(launch):
    """A page's sets are those it names, each once, in their order."""
    assert launch.sets_named("Do ps4-lstm-backward, then ps3-lstm-forward; ps4-lstm-backward first.") == [
        "ps3-lstm-forward", "ps4-lstm-backward"]


def test_chapters_get_a_button(launch):
    """With services set, the button stands on a page that names a problem set, and on no other."""
    class Page:
        def __init__(self, text):
            self.text = text

        def astext(self):
            return self.text

    class App:
        launch = None

    App.launch = host(launch)
    context = {"header_buttons": []}
    launch.add_buttons(App, "gru", "page.html", context, Page("In the problem set ps7-gru you write all four."))
    launch.add_buttons(App, "notation", "page.html", context, Page("One symbol, one name."))
    menu, = context["header_buttons"]
    assert [button["text"] for button in menu["buttons"]] == [
        "ps7-gru, JupyterHub", "ps7-gru, Binder", "ps7-gru, Colab"]
