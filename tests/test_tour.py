"""The notebook that shows newcomers around: it runs from top to end, and is committed without outputs."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
TOUR = ROOT / "examples" / "tour.ipynb"


def test_it_is_committed_without_outputs_and_personal_traces() -> None:
    notebook = json.loads(TOUR.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        assert cell["source"]
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert TOUR.read_text(encoding="utf-8") == json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the packages that run notebooks
def test_it_runs_and_shows_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(TOUR, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(TOUR.parent)}}).execute()
    (tmp_path / "executed.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    kinds = ("image/gif", "image/png")  # Pillow's pictures show themselves as JPEG too
    shown = [output["data"][kind] for output in outputs for kind in kinds if kind in output.get("data", {})]
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for data in shown]
    assert [picture.format for picture in pictures] == ["GIF", "PNG", "PNG", "GIF", "GIF", "PNG", "PNG"]
    assert all(picture.n_frames == 15 for picture in pictures if picture.format == "GIF")
    (report,) = [output["text"] for output in outputs if "seam" in output.get("text", "").split()]
    assert "FAIL" not in report
    assert not list(TOUR.parent.glob("*.gif"))
