"""What a user registers (methods, measures, baselines, figures, probe sets), in processes that are not the user's own."""

from __future__ import annotations

import importlib
import os
import sys

from tfattr.errors import SettingsError


def import_extensions() -> None:
    """Imports the modules that ``TFATTR_EXTENSIONS`` names (with commas; the working directory counts), for what they register.

    Raises:
        SettingsError: there is no such module, or it fails.
    """
    for name in filter(None, os.environ.get("TFATTR_EXTENSIONS", "").split(",")):
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            importlib.import_module(name.strip())
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"TFATTR_EXTENSIONS names {name.strip()}, and {error}; expected modules to import, with commas."
            ) from error
        except (Exception, SystemExit) as error:
            if "--debug" in sys.argv:
                raise
            raise SettingsError(
                f"TFATTR_EXTENSIONS names {name.strip()}, whose import fails ({type(error).__name__}: {error}); mend "
                "that module (--debug shows where), or leave it out."
            ) from error
