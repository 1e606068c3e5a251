"""What the command prints steers no terminal, whatever a plan or an answer holds."""

import io

from drs_provider.cli.main import main
from drs_provider.cli.safe_stream import Plain


def test_a_problem_with_a_file_of_an_evil_name_is_printed_plain(tmp_path, capsys):
    folder = tmp_path / "plans"
    folder.mkdir()
    (folder / "a\x1b[31mred.yaml").write_text("kind: \x22x\x22\n")

    assert main(["validate", str(folder)]) == 1
    said = capsys.readouterr()

    assert "\x1b" not in said.out + said.err
    assert "a\\x1b[31mred.yaml" in said.out


def test_a_stream_says_what_it_is_and_hands_everything_on():
    kept = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    stream = Plain(kept)

    assert stream.write("a\x07") == 2
    stream.writelines(["b\n", "c\x00"])
    stream.flush()
    kept.seek(0)
    assert (stream.writable(), stream.isatty(), stream.encoding) == (True, False, "ascii")
    assert kept.read() == "a\\x07b\nc\\x00"
