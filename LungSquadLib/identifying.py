"""Columns of a table that identify patients, by their names and by their cells.

One list for manifests and tables alike. A column that is named here, or whose cells look like
paths, dates, UIDs, addresses or numbers of patients, is left out of whatever is written, unless
somebody asks for it by its name. It errs towards leaving out: DICOM PS3.15 Annex E and HIPAA's Safe
Harbor (45 CFR 164.514(b)(2)) list such attributes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date

MOST_PATIENTS_WITHOUT_REPEAT = 12  # of more, texts that never repeat are no category

# Words that identify in any column's name.
_WORDS = frozenset(
    (
        *("id", "ids", "uid", "uuid", "guid", "pid", "mrn", "ssn", "nhs", "npi", "ehr", "barcode"),
        *("identifier", "identifiers", "accession", "serial", "name", "names", "surname"),
        *("forename", "firstname", "lastname", "initials", "maiden", "mother", "dob", "birth"),
        *("birthday", "birthdate", "born", "date", "dates", "datetime", "timestamp", "address"),
        *("street", "city", "town", "zip", "zipcode", "postcode", "postal", "phone", "telephone"),
        *("mobile", "fax", "email", "mail", "insurance", "passport", "licence", "license", "url"),
        *("uri", "path", "paths", "filepath", "file", "files", "filename", "folder", "folders"),
        *("directory", "dir", "doctor", "physician", "surgeon", "radiologist", "pathologist"),
        *("oncologist", "clinician", "operator", "referrer", "nurse", "comment", "comments"),
        *("remark", "remarks", "note", "notes", "freetext", "narrative", "anamnesis"),
        # German
        *("vorname", "nachname", "familienname", "geburtsname", "geburtsdatum", "geburtstag"),
        *("geburtsort", "geburt", "geb", "datum", "adresse", "strasse", "plz", "ort", "wohnort"),
        *("telefon", "telefonnummer", "handy", "arzt", "arztin", "aerztin", "hausarzt", "pfad"),
        *("datei", "dateiname", "ordner", "verzeichnis", "befund", "bemerkung", "bemerkungen"),
        *("kommentar", "fallnummer", "patientennummer", "aufnahmenummer", "versichertennummer"),
        # French, Spanish, Portuguese, Italian, Dutch, Polish, the Nordic languages
        *("nom", "prenom", "naissance", "medecin", "chemin", "fichier", "dossier", "commentaire"),
        *("nombre", "apellido", "apellidos", "nacimiento", "fecha", "direccion", "telefono"),
        *("medico", "ruta", "archivo", "carpeta", "dni", "nhc", "comentario", "nome", "sobrenome"),
        *("nascimento", "endereco", "prontuario", "cpf", "cognome", "nascita", "indirizzo"),
        *("naam", "voornaam", "achternaam", "geboortedatum", "adres", "bsn", "nazwisko", "imie"),
        *("pesel", "namn", "efternamn", "fornavn", "etternavn", "personnummer", "cpr"),
    )
)
# Names that identify only where they are the whole name.
_WHOLE_NAMES = frozenset(
    (
        *("", "patient", "patients", "subject", "case", "sample", "person", "participant", "index"),
        *("image", "images", "img", "mask", "masks", "segmentation", "ct", "dicom", "nifti"),
        *(
            "source",
            "nr",
            "no",
            "number",
            "num",
            "unnamed",
            "text",
            "report",
            "description",
            "rowid",
        ),
        *("tel", "ipp", "nir", "rut", "curp"),
    )
)
# Words without blanks ("patientname", "studyinstanceuid"), and words that identify only together.
_OWNERS = (
    "patients?|patienten|pat|subject|person|case|fall|study|series|sop|instance|acquisition|content|"
    "birth|visit|admission|discharge|death|scan|exam(ination)?|file|first|last|middle|given|family|"
    "full|maiden|sur|referring|performing|requesting|attending|physicians?|doctors?|operators?|"
    "accession|institution|station|device|serial|hospital|clinic|medical|health|record|social|"
    "security|insurance|chart|phone|telephone|mobile|home|street|postal|other|issuer|of|frame|"
    "reference"
)
_WHAT = "names?|ids?|uids?|(birth)?dates?|numbers?|num|nr|nummer|codes?|address|comments?|record"
_TOGETHER = re.compile(
    f"({_OWNERS})+({_WHAT})|dateof.+|(study|series|acquisition|content|birth|admission|discharge|scan)times?|"
    "(image|mask|ct|source|input|seg(mentation)?|dicom|nifti|case|patient|study|series|data|full)+"
    "(paths?|files?(names?)?|folders?|dirs?|directory|root)|"
    "(study|series|procedure|protocol|image|scan|free|report)(description|text|notes?)"
)
# Radiomic features, of which one is called "glcm_Id".
_FEATURE = re.compile("(^|[^a-z])(firstorder|shape|glcm|glrlm|glszm|gldm|gldzm|ngtdm)([^a-z]|$)")
_UNKNOWN = frozenset(("", "na", "n/a", "nan", "none", "null", "unknown", "missing", "?", "-", "."))
_FOREIGN = re.compile(
    "姓名|氏名|名前|出生|生年月日|病历号|病歷號|住院号|身份证|患者番号|电话|電話|地址|住所|日期"
)

_MONTHS = (
    "jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez|"
    "janv|févr|mars|avr|juin|juil|août|déc|ene|abr|ago|dic"
)
_TIME = r"([ T]+\d{1,2}:\d{2}.*)?"
_DATES = re.compile(
    rf"\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}\.?{_TIME}|(19|20)\d\d[-/](0[1-9]|1[0-2])|"
    rf"(0?[1-9]|1[0-2])/(19|20)\d\d|\d{{1,2}}:\d{{2}}:\d{{2}}([.,]\d+)?|"
    rf"\d{{1,2}}[-. ]+({_MONTHS})[a-zäéûç]*[-., ]+\d{{2,4}}{_TIME}|"
    rf"({_MONTHS})[a-zäéûç]*\.? +\d{{1,2}},? +\d{{4}}{_TIME}",
    re.IGNORECASE,
)
_PATH = re.compile(
    r"[A-Za-z]:[\\/].*|(/|~[\w.-]*/|\.{1,2}[\\/]|\\\\).+|\w+://.*|.*\w\\\w.*|"
    r".*\.(dcm|ima|nii|nrrd|nhdr|mha|mhd|gz|zip|csv|tsv|xlsx?|json|npy|npz|png|jpe?g|tiff?|pdf|"
    r"docx?|txt|rtf)",
    re.IGNORECASE,
)
_UID = re.compile(r"\d+(\.\d+){4,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}", re.I)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
# "MS stable" and "MR imaging" are no people: without a dot, capitals must be those of a name.
_PERSON = re.compile(
    r"[^\W\d]+\^.*|(Dr|Prof|Mr|Mrs|Ms|Herr|Frau|Mme) +(?=[^\W\d_])(?![a-z]).*|"
    r"(?i:dr|prof|mr|mrs|ms|mme)\. *[^\W\d].*"
)
_NUMBER = re.compile(r"[A-Za-z]{0,5}[-_ #]?\+?[(\d][\d ()/-]*")
_LONG_NUMBER = 6  # digits


def identifying(
    columns: Mapping[str, Sequence[str]],
    patients: Sequence[str] = (),
    *,
    keep: Collection[str] = (),
) -> dict[str, str]:
    """Return the columns that identify patients, each with the reason.

    Args:
        columns: cells of each column, a row each.
        patients: the patient's ID of each row; none where they are not known.
        keep: names of columns to keep in any case.
    """
    reasons = {
        name: _by_name(name)
        or ("" if _FEATURE.search(name) else identifying_cells(cells, patients))
        for name, cells in columns.items()
        if name not in keep
    }
    return {name: reason for name, reason in reasons.items() if reason}


def is_identifying_name(name: str, *, gene: bool = False) -> bool:
    """Return whether a column's name alone says that it identifies patients.

    Args:
        name: of the column.
        gene: whether it may be one; there are genes called ID1, NHS and DOB.
    """
    if not gene:
        return bool(_by_name(name))
    joined = "".join(_words(name))
    return not re.search(r"\d", name) and bool(joined == "mrn" or _TOGETHER.fullmatch(joined))


def is_identifying_cell(cell: str) -> bool:
    """Return whether one cell alone says who somebody is, whatever its column."""
    text = cell.strip()
    return _is_compact_date(text) or _is_long_number(text) or _is_content(text)


def sentence_about(left_out: Mapping[str, str]) -> str:
    """Say which columns were left out, and how to keep one; "" where none was."""
    if not left_out:
        return ""
    listed = ", ".join(
        f"one whose name does ({why})" if _is_content(name) else f"'{name}' ({why})"
        for name, why in list(left_out.items())[:20]
    )
    more = f" and {len(left_out) - 20} more" if len(left_out) > 20 else ""
    return (
        f"Left out, because they say who the patients are: {listed}{more}. Name one with "
        "--keep-column to keep it."
    )


def _words(name: str) -> list[str]:
    """Of a column's name, in small letters without accents: PatientName is two."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name.replace("ß", "ss"))
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode()
    return re.findall("[a-z]+", plain.casefold())


def _by_name(name: str) -> str:
    if _FEATURE.search(name.casefold()):
        return ""
    words = _words(name)
    joined = "".join(words)
    identifies = (
        not _WORDS.isdisjoint([*words, joined])
        or (joined in _WHOLE_NAMES and (joined or not name.strip()))
        or _TOGETHER.fullmatch(joined)
        or _FOREIGN.search(name)
        or _is_content(name)
    )
    return "by its name" if identifies else ""


def identifying_cells(
    cells: Sequence[str], patients: Sequence[str] = (), *, names: bool = False
) -> str:
    """Return the reason why the cells of a column say who the patients are; "" where they do not.

    Args:
        cells: a row each.
        patients: the patient's ID of each row; none where they are not known.
        names: whether every row has a text of its own by right, as the names of cases are.
    """
    texts = ["" if cell.strip().casefold() in _UNKNOWN else cell.strip() for cell in cells]
    filled = [cell for cell in texts if cell]
    for what, matches in _CELLS.items():
        if any(map(matches, filled)):
            return f"it has {what}"
    pairs = [(cell, id_) for cell, id_ in zip(texts, patients, strict=False) if cell and id_]
    # A short ID is found by chance in one cell, hardly in all of a column.
    if any(len(patient) > 4 and _contains(cell, patient) for cell, patient in pairs):
        return "it has the patients' IDs"
    if len({id_ for _, id_ in pairs}) > 1 and all(_names(*pair) for pair in pairs):
        return "it has the patients' IDs"
    return _by_variety(filled, names=names)


def _is_content(text: str) -> bool:
    """Whether one text alone is of a kind that identifies: as a cell, or as a column's name."""
    return any(matches(text) for matches in _CELLS.values())


def _by_variety(filled: Sequence[str], *, names: bool) -> str:
    """Return why a column as a whole identifies patients, such as a different text in each row."""
    differ = len(set(filled)) == len(filled)
    many = differ and len(filled) >= MOST_PATIENTS_WITHOUT_REPEAT
    words = sum(len(cell.split()) for cell in filled)
    # Names of tumours may have eight words, and many patients have the same.
    wordy = words >= (6 if 2 * len(set(filled)) > len(filled) else 10) * len(filled)
    reasons = {
        "it has dates": all(map(_is_compact_date, filled)),
        "it has long numbers that are different in every row": differ
        and all(map(_is_long_number, filled)),
        # Paths from some folder on; "T2/N1/M0" comes again.
        "it has paths": differ and len(filled) > 2 and all("/" in cell for cell in filled),
        "it has a different text in every row": many
        and not names
        and all(re.match(r"[^\W\d]{2}|[^\W\d]+[-_ ]?\d", cell) for cell in filled),
        "it has free text": wordy or any(len(cell) > 200 for cell in filled),
    }
    return next((reason for reason, applies in reasons.items() if filled and applies), "")


def _is_compact_date(cell: str) -> bool:
    """DICOM's DA and DT: YYYYMMDD, with a time behind it or without."""
    digits = re.fullmatch(r"((?:18|19|20)\d\d)(\d\d)(\d\d)(\d{4,6})?(\.\d+)?", cell)
    try:
        return digits is not None and bool(date(*(int(part) for part in digits.groups()[:3])))
    except ValueError:
        return False


def _is_path(cell: str) -> bool:
    return _PATH.fullmatch(cell) is not None


def _contains(cell: str, patient: str) -> bool:
    """Whether a cell has a patient's ID in it, and not by chance, as a number may."""
    start = cell.find(patient)
    before, after = cell[:start][-1:], cell[start + len(patient) :][:1]
    return start >= 0 and not (before.isalnum() or before == "." or after.isalnum())


def _names(cell: str, patient: str) -> bool:
    """Whether a cell has an ID in it, also where a spreadsheet made 7 or 7.0 of 007."""
    if re.fullmatch(r"\d+(\.0+)?", cell) and patient.isascii() and patient.isdigit():
        return float(cell) == float(patient)
    return _contains(cell, patient)


def _is_long_number(cell: str) -> bool:
    digits = sum(char.isdigit() for char in cell)
    return digits >= _LONG_NUMBER and _NUMBER.fullmatch(cell) is not None


_CELLS: dict[str, Callable[[str], bool]] = {
    "dates": lambda cell: _DATES.fullmatch(cell) is not None,
    "paths": _is_path,
    "UIDs": lambda cell: _UID.fullmatch(cell) is not None,
    "e-mail addresses": lambda cell: _EMAIL.search(cell) is not None,
    "names of people": lambda cell: _PERSON.fullmatch(cell) is not None,
}
