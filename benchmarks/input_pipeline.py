"""Images a second of our input against the notes' input function, Pillow alone, and other loaders.

    python benchmarks/input_pipeline.py --data=photos-train.tar        about 6 minutes

128x128 grey images (others with --side and --channels) from the JPEGs of one tar in batches of 32, on two
cores, with processor times, which other programs disturb less. Each contender runs in a fresh process in
each round, in turn (A B C A B C ...); figures are medians of the rounds. Needs
`pip install -e '.[bench]'` and an idle machine.
"""

import functools

from runner import child, command_line, machine, median, print_ratio, print_table, race

_CONTENDERS = {
    'document': "the notes' input function",
    'bare': 'two threads of Pillow, nothing else',
    'exact': 'ours, --decode=exact',
    'fast': 'ours, --decode=fast',
    'webdataset': 'webdataset + DataLoader, one archive, one worker',
    'webdataset-2': 'webdataset + DataLoader, two archives, two workers',
    'webdataset-2-draft': "the same, Pillow's draft mode",
    'webdataset-bytes': 'webdataset alone, one archive, encoded bytes',
    'stream': 'estimator_lab.api.stream, exact pixels',
    'stream-fast': "the same, decode='fast'",
    'stream-bytes': 'estimator_lab.api.stream, encoded bytes',
    'webdataset-1-2': 'webdataset + DataLoader, one archive, two workers',
    'loader': 'estimator_lab.api.dataset + DataLoader, one archive, two workers',
    'random-dataset': 'single encoded images by random position: estimator_lab.api.dataset',
    'random-wids': 'the same, wids',
    'random-files': 'the same, a folder of files',
    'torchvision': 'torchvision + DataLoader, two workers, bytes in memory',
    'tfrecord': 'tf.data over TFRecord, bilinear',
    'dali': 'NVIDIA DALI without a GPU, the same archive',
}
_FASTEST_SETTINGS = ('webdataset-2-draft', 'torchvision', 'tfrecord', 'dali')
_SECONDS = {'document': 6.0}
_GOALS = (
    ('exact', 'document', 100),
    ('exact', 'bare', 0.95),
    ('fast', 'document', 300),
    ('exact', 'webdataset', 2),
    ('stream', 'webdataset', 2),
    ('loader', 'webdataset-1-2', 2),
    ('loader', 'stream', 1),
    ('random-dataset', 'random-wids', 1),
    ('random-dataset', 'random-files', 0.8),
    ('stream-fast', 'webdataset', 2),
    ('stream-bytes', 'webdataset-bytes', 2),
    ('fast', 'tfrecord', 1),
    ('fast', 'dali', 1.3),
)


def main() -> None:
    """Runs the benchmark."""
    given = command_line(
        __doc__,
        data=(None, 'a tar of JPEGs'),
        rounds=(3, 'of each contender'),
        seconds=(5.0, 'timed in a round'),
        side=(128, 'of the images, in pixels'),
        channels=(1, 'of the images', (1, 3)),
        only=([], 'run these contenders only', list(_CONTENDERS)),
    ).parse_args()
    print(machine('pillow', 'torch', 'torchvision', 'webdataset'), flush=True)
    is_usual = (given.side, given.channels) == (128, 1)
    contenders = {}
    for name in given.only or [name for name in _CONTENDERS if is_usual or name != 'document']:
        seconds = _SECONDS.get(name, given.seconds)
        arguments = name, given.data, seconds, given.side, given.channels
        contenders[name] = functools.partial(child, 'input_contenders.py', *arguments)
    found = race(contenders, given.rounds)
    print_table({f'{name}: {_CONTENDERS[name]}': rounds for name, rounds in found.items()}, 'images')
    for fast, slow, goal in _GOALS:
        print_ratio(found, fast, slow, goal)
    if others := [name for name in _FASTEST_SETTINGS if name in found]:
        print_ratio(found, 'fast', max(others, key=lambda name: median(found[name])), 1.2)


if __name__ == '__main__':
    main()
