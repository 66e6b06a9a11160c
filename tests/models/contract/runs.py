"""Checks of a short training run: what it leaves in its model_dir, and what can be done with that."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from estimator_lab.base.keys import IMAGE
from estimator_lab.core import keys
from estimator_lab.core.abilities import Draws, Paints
from estimator_lab.core.params import resolve
from estimator_lab.inference.exporting import export
from estimator_lab.inference.report.page import FURTHER, section_of
from estimator_lab.inference.run import Run
from estimator_lab.inference.settings import ExportSettings
from estimator_lab.runs.event_files import values_in
from estimator_lab.tf1 import tf
from tests.models.contract.subject import BAD_IMAGES, SAVED_AT, STEPS, Subject
from tests.support import small_runs

_CLOSE = 1e-4
_NAME = r'[\w.<>-]+'
_TAGS = {
    'scalar': re.compile(rf'{_NAME}(/{_NAME})?'),
    'image': re.compile(rf'images/{_NAME}/image'),
    'histogram': re.compile(rf'(weights(/{_NAME})+|(activations|outputs)(/{_NAME})+)'),
    # of TensorBoard's own plugins, and what Estimator writes about its checkpoints
    'other': re.compile(r'pr_curves/.*/0|_hparams_/session_start_info|checkpoint_path'),
}

Tags = Mapping[tuple[str, str], set[int]]
"""The steps of summaries by kind and tag."""


def training_reaches_its_last_step(subject: Subject) -> None:
    """`train` saves a checkpoint at --max_steps, counts a file that is not an image, and evaluates."""
    result = subject.run.result
    assert result.step == result.max_steps and Path(f'{result.checkpoint}.index').exists(), (
        f'Training ends with step {result.step} of {result.max_steps}.'
    )
    found = result.bad_images
    assert found == BAD_IMAGES, f'Training counts {found} bad images instead of {BAD_IMAGES}.'
    loss = result.metrics['loss']
    assert np.isfinite(loss), f'The loss of the evaluation is {loss}.'
    primary = subject.trained.task.primary_metric
    assert primary in result.metrics, f'The evaluation has no metric {primary}.'


def resuming_is_exact(subject: Subject) -> None:
    """A run resumed from a checkpoint ends with the weights of an uninterrupted run, bit for bit."""
    expected, found = (small_runs.values_in(run.model_dir) for run in (subject.run, subject.resumed))
    differ = sorted(name for name in expected if not np.array_equal(expected[name], found.get(name)))
    assert not differ, f'Resumed at step {SAVED_AT} of {STEPS}, the run ends with other {", ".join(differ)}.'


def the_trained_model_opens(subject: Subject) -> None:
    """The folder of the run can be opened, with the parameters of training."""
    trained = subject.trained
    assert trained.step == subject.run.result.step, f'The opened model is at step {trained.step}.'
    for name, value in subject.hparams.items():
        found = getattr(trained.params, name)
        assert found == value, f'The opened model has {name}={found}, not {value}.'


def an_example_is_inspected(subject: Subject) -> None:
    """`inspect` draws an image, and what the model sees in it, under names of files."""
    pictures = Run.open(subject.run.model_dir).inspect(subject.images(1)[0]).pictures
    assert 'inspected' in pictures, f'An inspection has the pictures {", ".join(pictures)}.'
    for name, picture in pictures.items():
        assert re.fullmatch(_NAME, name) and min(picture.size) > 0, f'The picture {name!r} is {picture!r}.'


def samples_are_images_of_their_seed(subject: Subject) -> None:
    """What a model draws are images of the size of training, the same ones for the same seed."""
    if not isinstance(subject.model, Draws):
        return
    run = Run.open(subject.run.model_dir)
    first, again = (run.sample(3).images for _ in range(2))
    assert first.shape == (3, *subject.image_shape), f'Three samples have the shape {first.shape}.'
    assert first.min() >= 0 and first.max() <= 1, f'Samples are in [{first.min()}, {first.max()}].'
    assert np.array_equal(first, again), 'Samples of one seed differ.'


def an_export_predicts_the_same(subject: Subject) -> None:
    """A SavedModel returns the same values as PREDICT."""
    trained = subject.trained
    images = subject.images(2)
    with tf.Graph().as_default():
        features = {IMAGE: tf.constant(images)}  # without keys, which may decide random numbers
        tensors = dict(trained.predictions(features).predictions)
        with trained.session() as session:
            wanted = session.run(tensors)
    output = keys.PAINTED if isinstance(subject.model, Paints) else 'serving_default'
    folder = export(trained, ExportSettings(out=subject.folder / 'exported'))
    found = _outputs(folder, f'pixels:{output}', images)
    common = sorted({*wanted} & {*found})
    assert common, f'The export returns {", ".join(sorted(found))}, of which PREDICT has none.'
    for name in common:
        if wanted[name].dtype.kind in 'fi':
            assert np.allclose(found[name], wanted[name], 1e-3, _CLOSE), (
                f'The export returns other values of {name} than PREDICT.'
            )


def _outputs(folder: Path, name: str, images: np.ndarray) -> dict[str, np.ndarray]:
    with tf.Graph().as_default(), tf.Session() as session:
        signature = tf.saved_model.loader.load(session, ['serve'], str(folder)).signature_def[name]
        outputs = {output: info.name for output, info in signature.outputs.items()}
        found: dict[str, np.ndarray] = session.run(outputs, {signature.inputs[IMAGE].name: images})
        return found


def tags_have_one_layout(subject: Subject) -> None:
    """TensorBoard's tags have the layout of all models, and each phase has a folder of event files."""
    folder = subject.run.model_dir
    folders = {path.parent for path in folder.rglob('events.out.tfevents.*')}
    phases = subject.model.phases(resolve(subject.model.params, subject.hparams))
    places = {folder / phase.name for phase in phases}
    assert folders == {*places, *(place / 'eval' for place in places)}, (
        f'Event files are in {", ".join(map(str, sorted(folders)))}.'
    )
    for each in folders:
        for kind, tag in _summaries(each):
            assert _TAGS[kind].fullmatch(tag), (
                f'The tag {tag} of {each.name} is not one of the layout {_TAGS[kind].pattern}.'
            )


def training_is_summarized(subject: Subject) -> None:
    """Training writes the loss, the learning rate, its weights and images for TensorBoard."""
    found = _summaries(subject.run.model_dir)
    for name in ('loss', keys.LEARNING_RATE):
        assert ('scalar', name) in found, f'Training writes no scalar {name}.'
    for group in ('weights/', 'images/'):
        assert any(tag.startswith(group) for _, tag in found), f'Training writes no summaries {group}...'


def evaluation_is_summarized(subject: Subject) -> None:
    """Evaluation writes its loss and primary metric; with labels, also confusion and the worst examples."""
    found, task = _summaries(subject.run.model_dir / 'eval'), subject.trained.task
    for name in ('loss', task.primary_metric):
        assert ('scalar', name) in found, f'Evaluation writes no scalar {name}.'
    if task.labelled:
        for name in ('confusion', 'worst'):
            assert ('image', f'images/{name}/image') in found, f'Evaluation writes no picture images/{name}.'
        assert ('image', 'images/input/image') in _summaries(subject.run.model_dir), (
            'Training writes no picture images/input.'
        )


def the_report_has_a_section_for_each_picture(subject: Subject) -> None:
    """No picture of training or evaluation is among the report's further pictures."""
    for folder in (subject.run.model_dir, subject.run.model_dir / 'eval'):
        for kind, tag in _summaries(folder):
            if kind == 'image':
                name = tag.removeprefix('images/').removesuffix('/image')
                assert section_of(name) != FURTHER, f'The report has no section for the picture {name}.'


def a_report_is_written(subject: Subject) -> None:
    """`report` draws the run as a page that names the primary metric and has sections of pictures."""
    page = Run.open(subject.run.model_dir).report(subject.folder / 'report.html').path
    text = page.read_text(encoding='utf-8')
    for words in ('Learning curves', 'Hyper-parameters', subject.trained.task.primary_metric):
        assert words in text, f'The report does not have {words!r}.'
    assert 'src="data:image/png;base64,' in text, 'The report has no picture.'


def pictures_are_drawn_early(subject: Subject) -> None:
    """Pictures of training are drawn from the first step on, so that a short run has some."""
    found = _summaries(subject.run.model_dir)
    first = min(step for (kind, tag), steps in found.items() if kind == 'image' for step in steps)
    for (kind, tag), steps in found.items():
        if kind == 'image':
            assert min(steps) == first, f'{tag} is first drawn at step {min(steps)}.'


def a_layer_has_one_name(subject: Subject) -> None:
    """A layer has one name in its activations and its weights."""
    tags = {tag for kind, tag in _summaries(subject.run.model_dir) if kind == 'histogram'}
    for tag in tags:
        layer = tag.removeprefix('activations/')
        if layer != tag:
            assert any(other.startswith(f'weights/{layer}/') for other in tags), (
                f'There are activations of {layer}, but no weights of that name.'
            )


def _summaries(folder: Path) -> Tags:
    found: dict[tuple[str, str], set[int]] = {}
    for path in folder.glob('events.out.tfevents.*'):
        for step, value in values_in(path, _damaged):
            fields = {'simple_value': 'scalar', 'image': 'image', 'histo': 'histogram'}
            kind = fields.get(value.WhichOneof('value'), 'other')
            found.setdefault((kind, value.tag), set()).add(step)
    return found


def _damaged(words: str) -> None:
    raise AssertionError(f'An event file {words}.')


CHECKS = (
    training_reaches_its_last_step,
    resuming_is_exact,
    the_trained_model_opens,
    an_example_is_inspected,
    samples_are_images_of_their_seed,
    an_export_predicts_the_same,
    tags_have_one_layout,
    training_is_summarized,
    evaluation_is_summarized,
    the_report_has_a_section_for_each_picture,
    a_report_is_written,
    pictures_are_drawn_early,
    a_layer_has_one_name,
)
