"""Who the patients of tables are stays in the tables, unless asked to keep it."""

from __future__ import annotations

import pytest

from LungSquadLib.cli import main

IDS = ("MRN-471177", "MRN-471178", "MRN-471179")
SECRETS = (*IDS, "471177", "Mustermann", "1950-03-17", "03/17/1950", "Nirgendwo", "0049-171")


@pytest.fixture
def tables(tmp_path):
    """Tables whose cells, columns, names and folders tell who the patients are."""
    folder = tmp_path / "Mustermann, Nirgendwo"
    folder.mkdir()
    expression = folder / "Mustermann.csv"
    expression.write_text(f"gene,{IDS[0]},{IDS[1]}\nA,1,2\nB,3,\n")
    clinical = folder / "Nirgendwo.csv"
    clinical.write_text(
        "patient,histology,t_stage,time,event,birth_date,seen,PatientName,MRN,phone,twin\n"
        f"{IDS[0]},LUAD,Tis,900,0,1950-03-17,03/17/1950,Mustermann,471177,0049-171,\n"
        f"{IDS[1]},LUSC,T2,-5,1,1950-03-17,,Mustermann,471178,0049-171,see {IDS[0]}\n"
        f"{IDS[2]},LUSC,T2,9,1,,,Mustermann,471179,0049-171,{IDS[2]}\n"
    )
    return [f"expression={expression}", f"clinical={clinical}"]


def told(folder):
    """The secrets that the files of a folder tell."""
    content = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    return {secret for secret in SECRETS if secret.encode() in content}


def test_no_file_of_a_join_tells_who_the_patients_are(tables, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["tables", "join", *tables, "-o", str(out)]) == 0
    assert told(out) == set()
    dropped = (out / "dropped.csv").read_text()
    assert dropped.count("LS-") == 3  # Tis, a follow-up below 0, and who is in no source of numbers
    said = capsys.readouterr()
    assert not [secret for secret in SECRETS if secret in said.out + said.err]


def test_ids_are_kept_where_that_is_asked_for_and_nothing_else(tables, tmp_path):
    out = tmp_path / "out"
    assert main(["tables", "join", *tables, "-o", str(out), "--keep-ids"]) == 0
    assert told(out) == {*IDS, "471177"}


def test_a_check_counts_patients_and_names_none(tables, capsys):
    files = [text.partition("=")[2] for text in tables]
    for more in ([], ["--json"]):
        assert main(["tables", "check", *files, *more]) == 0
        said = capsys.readouterr()
        assert "t_stage" in said.out
        assert not [secret for secret in SECRETS if secret in said.out + said.err]
    assert main(["tables", "check", *files, "--keep-ids"]) == 0
    assert IDS[0] in capsys.readouterr().out
