"""The quantities that runs record: found by themselves, described without TensorFlow, in the order of their columns."""

import subprocess
import sys

from thalweg.quantities import all_quantities, names_on_request, recorded_quantities


def test_a_quantity_is_known_by_lying_in_its_folder():
    assert [quantity.name for quantity in all_quantities()] == ["latest_step", "gradient_noise", "weights"]
    assert names_on_request() == ("gradient_noise", "weights")
    assert [quantity.name for quantity in recorded_quantities(["weights"])] == ["latest_step", "weights"]


def test_every_column_has_one_name_and_a_meaning():
    columns = [column for quantity in all_quantities() for column in quantity.columns]
    assert len({column.name for column in columns}) == len(columns) > 0
    assert all(column.name.isidentifier() and column.meaning for column in columns)


def test_descriptions_load_no_tensorflow():
    script = (
        "import sys; from thalweg.quantities import all_quantities; assert all_quantities()\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
