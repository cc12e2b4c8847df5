"""The page as one file of HTML, which needs nothing besides itself.

Every text goes through Jinja's escaping; charts are JSON in blocks that no browser runs, with all
that could end such a block escaped. The page's policy lets it run the two scripts that are in it,
known by their digests, and forbids everything else: other scripts, evaluated text, any request.
Vega evaluates its expressions with an interpreter of its own, so that it does without.
"""

import base64
import functools
import hashlib
from importlib import resources

import altair as alt
import vl_convert
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from archiver.query.page.charts import CONFIG
from archiver.query.page.content import Page
from archiver.version import __version__

_EXPORTED = "window.vegaEmbed = vegaEmbed;"
_FILES = resources.files("archiver.query.page")


def render(page: Page) -> str:
    """The page's HTML."""
    scripts = (_in_element(_vega(), "script"), _in_element(_text("page.js"), "script"))
    style = _in_element(_text("page.css"), "style")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_digest(style)}; script-src {' '.join(map(_digest, scripts))}"
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # Not sorted: fields keep the order in which they were written.
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": False,
        "ensure_ascii": False,
        "separators": (",", ":"),
        "allow_nan": False,
    }
    return environment.from_string(_text("page.html.j2")).render(
        page=page,
        config=CONFIG,
        policy=policy,
        scripts=[Markup(script) for script in scripts],  # noqa: S704 -- the package's own
        style=Markup(style),  # noqa: S704 -- the package's own
        version=__version__,
    )


def _text(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


@functools.cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, of the version that Altair writes for.

    It takes a second to put it together.
    """
    version = alt.SCHEMA_VERSION.rpartition(".")[0]
    script: str = vl_convert.javascript_bundle(_EXPORTED, vl_version=version)
    return script


def _in_element(text: str, element: str) -> str:
    """``text`` so that it can stand in this element: it must not end it."""
    return text.replace(f"</{element}", f"<\\/{element}")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
