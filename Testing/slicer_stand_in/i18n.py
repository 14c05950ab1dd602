"""`slicer.i18n`: texts in the language of the application, whose translators a test installs."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from ..translations import context_of, placeholders


def translate(context, text):
    """The text in the application's language, or as it is."""
    return QCoreApplication.translate(context, text)


def tr(text):
    """As `translate`, in the context of the file that calls; a wrong translation is not used."""
    context = context_of(Path(inspect.currentframe().f_back.f_code.co_filename))
    translated = translate(context, text)
    if placeholders(text) != placeholders(translated):
        logging.warning("%s: the placeholders of %r do not match", context, translated)
        return text
    return translated
