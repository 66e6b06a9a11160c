import os

from tensorflow.python.lib.io import file_io

from estimator_lab.tf1 import prepare_process


def test_a_folder_with_a_name_in_bytes_is_renamed(tmp_path):
    """As Estimator renames an export, if TensorFlow's API is loaded after the function is replaced."""
    prepare_process()
    (tmp_path / 'temp-1').mkdir()
    (tmp_path / 'temp-1' / 'saved_model.pb').write_bytes(b'1')
    file_io.rename(os.fsencode(tmp_path / 'temp-1'), os.fsencode(tmp_path / '1'))
    assert (tmp_path / '1' / 'saved_model.pb').read_bytes() == b'1'
