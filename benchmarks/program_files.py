"""Makes small files for other people's programs: `python program_files.py JSON`, in the folder where they go.

JSON is the list `files` of a recipe: names of functions here, or objects with `make` and the arguments. A
value of a table or a record is described in words, see `value`.
"""

import gzip
import importlib
import io
import json
import math
import re
import struct
import sys
import tarfile
import textwrap
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

WORDS = tuple(f'word{number}' for number in range(40))
_SETTING = r"""(\w+)\s*:\s*["']?([^"'\s]+)"""
_FIELD = r'input_fields\s*:?\s*\{([^}]*)\}'  # of a configuration of EasyRec
RNG = np.random.default_rng(0)


def value(kind: str, index: int = 0) -> Any:
    """Returns a random value: bytes, text, a number, or numbers.

    Kinds: `int LOW HIGH [COUNT]`, `float LOW HIGH [COUNT]`, `choice A|B|C`, `turn A|B|C` (each in turn),
    `index`, `sentence COUNT`, `jpeg SIZE [CHANNELS]`, `png SIZE [CHANNELS]`, `bytes COUNT`, `text ANY`,
    `constant NUMBER [COUNT]`.
    """
    name, _, rest = kind.partition(' ')
    words = rest.split()
    makers: dict[str, Callable[[], Any]] = {
        'int': lambda: _some(RNG.integers(int(words[0]), int(words[1]), _count(words, 2))),
        'float': lambda: _some(RNG.uniform(float(words[0]), float(words[1]), _count(words, 2)).round(4)),
        'constant': lambda: _some(np.full(_count(words, 1), json.loads(words[0]))),
        'choice': lambda: str(RNG.choice(rest.split('|'))),
        'turn': lambda: rest.split('|')[index % len(rest.split('|'))],
        'index': lambda: index,
        'sentence': lambda: sentence(int(words[0])),
        'jpeg': lambda: picture('jpeg', *map(int, words)),
        'png': lambda: picture('png', *map(int, words)),
        'bytes': lambda: RNG.integers(0, 256, int(words[0])).astype(np.uint8).tobytes(),
        'text': lambda: rest,
    }
    return makers[name]()


def _count(words: Sequence[str], place: int) -> tuple[int, ...]:
    return (int(words[place]),) if len(words) > place else ()


def _some(numbers: Any) -> Any:
    return np.asarray(numbers).tolist()


def sentence(count: int = 5) -> str:
    """Returns a sentence of some words."""
    return ' '.join(WORDS[index] for index in RNG.integers(0, len(WORDS), count))


def picture(kind: str, size: int, channels: int = 3, shade: int | None = None) -> bytes:
    """Returns an image file of random pixels around a shade."""
    low, high = (0, 256) if shade is None else (max(0, shade - 20), min(256, shade + 20))
    pixels = RNG.integers(low, high, [size, size, channels]).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(file, kind)
    return file.getvalue()


def _path(name: str) -> Path:
    path = Path(name).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write(path: str, text: str, mode: str = 'text') -> None:
    """Writes a text, such as a configuration."""
    _path(path).write_text(text, encoding='utf-8')


def repeat(path: str, line: str, count: int, first: str = '') -> None:
    """Writes a file of lines, each with `{}` replaced by its number, after one that is given."""
    repeated = [line.replace('{}', str(index)) for index in range(count)]
    _path(path).write_text(''.join(f'{each}\n' for each in ([first] if first else []) + repeated))


def lines(paths: Sequence[str], count: int = 100, words: int = 5, blank: int = 0, end: str = '') -> None:
    """Writes files of sentences, with an empty line after each `blank` of them."""
    for path in paths:
        texts = [
            f'{sentence(words)}{end}\n' + '\n' * bool(blank and index % blank == blank - 1)
            for index in range(count)
        ]
        _path(path).write_text(''.join(texts))


def table(
    paths: Sequence[str], columns: Mapping[str, str], count: int = 64, header: bool = True, between: str = ','
) -> None:
    """Writes files of rows; a column that is called `a;b;c` is three columns alike."""
    named = [(name, kind) for names, kind in columns.items() for name in names.split(';')]
    for path in paths:
        rows = [between.join(str(value(kind, index)) for _, kind in named) for index in range(count)]
        top = [between.join(name for name, _ in named)] if header else []
        _path(path).write_text('\n'.join(top + rows) + '\n')


def records(paths: Sequence[str], fields: Mapping[str, str], count: int = 16, compression: str = '') -> None:
    """Writes TFRecord files of examples."""
    tf: Any = importlib.import_module('tensorflow')
    for path in paths:
        with tf.io.TFRecordWriter(str(_path(path)), compression) as writer:
            for index in range(count):
                features = {name: _feature(tf, value(kind, index)) for name, kind in fields.items()}
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())


def _feature(tf: Any, found: Any) -> Any:
    if isinstance(found, str):
        found = found.encode()
    if isinstance(found, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[found]))
    array = np.ravel(found)
    if array.dtype.kind == 'f':
        return tf.train.Feature(float_list=tf.train.FloatList(value=array))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=array))


def images(
    folder: str, count: int = 8, size: int = 64, kind: str = 'jpg', channels: int = 3, wide: int = 1
) -> None:
    """Writes FOLDER/0.jpg, 1.jpg, ...: images of random pixels, `wide` of them in one file."""
    for index in range(count):
        pixels = RNG.integers(0, 256, [size, size * wide, channels]).astype(np.uint8)
        image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
        image.save(_path(f'{folder}/{index}.{kind}'))


def digits(
    folder: str = 'mnist', count: int = 128, sizes: Sequence[int] = (), names: Sequence[str] = ()
) -> None:
    """Writes the four files of MNIST, compressed and not: a bright bar at the place of its label."""
    for index, name in enumerate(names or ('train', 't10k')):
        total = sizes[index] if sizes else count
        labels = (np.arange(total) % 10).astype(np.uint8)
        pixels = RNG.integers(0, 60, [total, 28, 28]).astype(np.uint8)
        for row, label in enumerate(labels):
            pixels[row, 4 + 2 * label : 7 + 2 * label, 4:24] = 250
        parts = {
            'images-idx3': struct.pack('>iiii', 2051, total, 28, 28) + pixels.tobytes(),
            'labels-idx1': struct.pack('>ii', 2049, total) + labels.tobytes(),
        }
        for part, data in parts.items():
            _path(f'{folder}/{name}-{part}-ubyte').write_bytes(data)
            with gzip.open(f'{folder}/{name}-{part}-ubyte.gz', 'wb', compresslevel=1) as file:
                file.write(data)


def digit_archives(folder: str = 'mnist', sizes: Sequence[int] = (1000, 200)) -> None:
    """Writes mnist-train.tar.gz and mnist-test.tar.gz as `estimator_lab.data.demo` does, of such digits."""
    for part, count in zip(('train', 'test'), sizes, strict=True):
        with tarfile.open(_path(f'{folder}/mnist-{part}.tar.gz'), 'w:gz') as archive:
            for index in range(count):
                pixels = RNG.integers(0, 60, [28, 28]).astype(np.uint8)
                pixels[4 + 2 * (index % 10) : 7 + 2 * (index % 10), 4:24] = 250
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, 'png')
                member = tarfile.TarInfo(f'{part}/{index % 10}/{index:05}.png')
                member.size = file.tell()
                file.seek(0)
                archive.addfile(member, file)


def cifar(path: str, count: int = 256) -> None:
    """Writes a binary file of CIFAR-10: a byte of the label, then pixels that are bright at its place."""
    rows = RNG.integers(0, 60, [count, 1 + 3072]).astype(np.uint8)
    rows[:, 0] = np.arange(count) % 10
    for row in rows:
        row[1 + 300 * int(row[0]) :][:300] = 250
    _path(path).write_bytes(rows.tobytes())


def sounds(folder: str, count: int = 4, seconds: float = 1.0, rate: int = 16000, channels: int = 1) -> None:
    """Writes FOLDER/0.wav, 1.wav, ...: tones of 16 bits, the same in each channel."""
    for index in range(count):
        times = np.arange(int(seconds * rate)) / rate
        samples = (8000 * np.sin(2 * math.pi * 220 * (index + 1) * times)).astype('<i2')
        with wave.open(str(_path(f'{folder}/{index}.wav')), 'wb') as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.repeat(channels).tobytes())


def bert(folder: str = '.', labels: Sequence[str] = ('0', '1')) -> None:
    """Writes vocab.txt, config.json for BERT and its successors, and CoLA/*.tsv, labelled sentences."""
    marks = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    _path(f'{folder}/vocab.txt').write_text('\n'.join([*marks, *WORDS]) + '\n')
    sizes = {'hidden_size': 16, 'intermediate_size': 32, 'num_hidden_layers': 2, 'num_attention_heads': 2}
    more = {'vocab_size': 64, 'embedding_size': 8, 'max_position_embeddings': 512, 'type_vocab_size': 2}
    rates = {'attention_probs_dropout_prob': 0.1, 'hidden_dropout_prob': 0.1, 'initializer_range': 0.02}
    names = {'hidden_act': 'gelu', 'ln_type': 'postln', 'num_hidden_groups': 1, 'inner_group_num': 1}
    _path(f'{folder}/config.json').write_text(json.dumps({**sizes, **more, **rates, **names}))
    columns = {
        'id': 'text x',
        'label': f'turn {"|".join(labels)}',
        'mark': 'text *',
        'sentence': 'sentence 5',
    }
    table([f'{folder}/CoLA/train.tsv'], columns, 16, header=False, between='\t')
    table([f'{folder}/CoLA/dev.tsv'], columns, 8, header=False, between='\t')
    table([f'{folder}/CoLA/test.tsv'], {'index': 'index', 'sentence': 'sentence 5'}, 8, between='\t')


def reviews(folder: str = 'imdb', count: int = 8) -> None:
    """Writes FOLDER/{train,test}/{pos,neg}/*.txt."""
    for part in ('train', 'test'):
        for kind in ('pos', 'neg'):
            for index in range(count):
                _path(f'{folder}/{part}/{kind}/{index}.txt').write_text(f'{sentence()}\n')


def entities(paths: Sequence[str], count: int = 20, between: str = ' ', tags: str = 'O B-PER I-PER') -> None:
    """Writes sentences in the format of CoNLL: a word and its tag a line, a full stop, an empty line."""
    for path in paths:
        rows = [
            ''.join(f'{word}{between}{RNG.choice(tags.split())}\n' for word in sentence().split())
            for _ in range(count)
        ]
        _path(path).write_text(''.join(f'{row}.{between}O\n\n' for row in rows))


def pieces(path: str = 'pieces', size: int = 60) -> None:
    """Writes PATH.model and PATH.vocab of SentencePiece; needs the package sentencepiece."""
    trainer: Any = importlib.import_module('sentencepiece').SentencePieceTrainer
    lines([f'{path}.txt'], 200)
    trainer.train(
        input=f'{path}.txt',
        model_prefix=path,
        vocab_size=size,
        hard_vocab_limit=False,
        pad_id=5,
        control_symbols='<cls>,<sep>,<mask>,<eod>,<eop>,[CLS],[SEP],[MASK]',
    )


def byte_pairs(folder: str = 'models/small') -> None:
    """Writes encoder.json and vocab.bpe of GPT-2: 256 signs for bytes, no pairs, and the end of a text."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs = [*map(chr, [*shown, *range(256, 512 - len(shown))]), '<|endoftext|>']
    numbers = {sign: index for index, sign in enumerate(signs)}
    _path(f'{folder}/encoder.json').write_text(json.dumps(numbers))
    _path(f'{folder}/vocab.bpe').write_text('#version: 0.2\n\n')


def libsvm(
    paths: Sequence[str], fields: int = 39, count: int = 64, each: int = 3, query: bool = False
) -> None:
    """Writes rows of a label and an INDEX:VALUE of each field, one of `each` indexes."""
    for path in paths:
        rows = []
        for index in range(count):
            pairs = [
                f'{field * each + RNG.integers(0, each) + query}:{RNG.random():.3f}'
                for field in range(fields)
            ]
            rows.append(' '.join([str(index % 2), *([f'qid:{index // 4}'] if query else []), *pairs]))
        _path(path).write_text('\n'.join(rows) + '\n')


def program(
    page: str,
    path: str = 'program.py',
    chosen: Sequence[int] = (),
    leave: Sequence[int] = (),
    before: str = '',
    after: str = '',
    swaps: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes the Python blocks of a page, or the cells of a notebook, that continue each other, as one
    program.

    Commands of the shell and of the notebook are left out. `chosen` are the numbers of the blocks that are
    taken, in their order, all but those of `leave` by default. `before` and `after` are lines of ours, such
    as what a page takes as given; `swaps` replaces texts, such as the address of a download by a file's
    name.
    """
    found = list(blocks(Path(page)))
    numbers = chosen or [number for number in range(len(found)) if number not in leave]
    text = '\n\n'.join(f'# Block {number}\n{_python_only(found[number])}' for number in numbers)
    for old, new in swaps.items():
        if old not in text:
            raise SystemExit(f'{page} has no {old!r}')
        text = text.replace(old, new)
    _path(path).write_text(f'{before}\n{text}\n{after}\n', encoding='utf-8')


def blocks(page: Path) -> Iterator[str]:
    """Yields the Python blocks of a page in Markdown, or the cells of code of a notebook."""
    text = page.read_text(encoding='utf-8')
    if page.suffix == '.ipynb':
        yield from (
            ''.join(cell['source']) for cell in json.loads(text)['cells'] if cell['cell_type'] == 'code'
        )
    else:
        pattern = r'^ *``` *(?:python|py|python3)\n(.*?)^ *```'
        yield from map(textwrap.dedent, re.findall(pattern, text, re.DOTALL | re.MULTILINE))


def iris(folder: str = '.') -> None:
    """Writes iris_{training,test}.csv: flowers drawn from the means and deviations of the three species."""
    means = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])
    for name, count in (('training', 120), ('test', 30)):
        kinds = np.arange(count) % 3
        sizes = np.abs(means[kinds] + RNG.normal(0, [0.4, 0.3, 0.3, 0.15], [count, 4])).round(1)
        rows = [
            f'{",".join(map(str, size))},{kind}' for size, kind in zip(sizes.tolist(), kinds, strict=True)
        ]
        top = f'{count},4,setosa,versicolor,virginica'
        _path(f'{folder}/iris_{name}.csv').write_text('\n'.join([top, *rows]) + '\n')


def easyrec(config: str, path: str = 'pipeline.config', steps: int = 60, count: int = 2000) -> None:
    """Writes train.csv, eval.csv and a configuration of EasyRec for them, made from one of its samples.

    Paths, numbers of steps and `sync_replicas`, which needs a cluster, are changed. Labels depend on
    the first number or text.
    """
    text = Path(config).read_text(encoding='utf-8')
    fields = [dict(re.findall(_SETTING, one)) for one in re.findall(_FIELD, text)]
    labels = re.findall(r'label_fields\s*:\s*[\'"](\w+)', text)
    data = text.partition('data_config')[2].partition('feature_config')[0]
    found = re.search(r'separator\s*:\s*[\'"](.+?)[\'"]', data)
    between = found[1].encode().decode('unicode_escape') if found else ','
    for name in ('train', 'eval'):
        rows = []
        for _ in range(count):
            first = int(RNG.integers(0, 20))
            row = []
            for place, field in enumerate(one for one in fields if one['input_name'] not in labels):
                number = first if place == 0 else int(RNG.integers(0, 20))
                kind = field.get('input_type', 'STRING')
                row.append(
                    f'w{number}' if kind == 'STRING' else str(number) if 'INT' in kind else f'{number / 20}'
                )
            values = iter(row)
            rows.append([str(first % 2) if one['input_name'] in labels else next(values) for one in fields])
        _path(f'{name}.csv').write_text(''.join(f'{between.join(row)}\n' for row in rows), encoding='utf-8')
    changes = {'train_input_path': '"train.csv"', 'eval_input_path': '"eval.csv"', 'model_dir': '"model"'}
    changes |= {'num_steps': str(steps), 'log_step_count_steps': '10', 'sync_replicas': 'false'}
    changes |= {'save_checkpoints_steps': str(steps), 'batch_size': '64', 'num_epochs': '0'}
    for key, changed in changes.items():
        text = re.sub(rf'\b{key}\s*:\s*("[^"]*"|\'[^\']*\'|\S+)', f'{key}: {changed}', text)
    _path(path).write_text(text, encoding='utf-8')


def points(folder: str = 'data/modelnet40_ply_hdf5_2048', count: int = 32, size: int = 2048) -> None:
    """Writes HDF5 files of point clouds as ModelNet40 has them: flat spheres."""
    h5py: Any = importlib.import_module('h5py')
    for name in ('train', 'test'):
        labels = np.arange(count) % 3
        clouds = RNG.normal(size=[count, size, 3])
        clouds /= np.linalg.norm(clouds, axis=2, keepdims=True)
        clouds[np.arange(count), :, labels] *= 0.2
        path = _path(f'{folder}/{name}.h5')
        with h5py.File(path, 'w') as file:
            file['data'], file['label'] = clouds.astype(np.float32), labels[:, None].astype(np.uint8)
        _path(f'{folder}/{name}_files.txt').write_text(f'{path}\n')


def _python_only(block: str) -> str:
    """Replaces commands of the shell and of IPython by `pass`, and drops the indent that all lines have."""
    indent = re.match(r' *', block)
    assert indent
    block = re.sub(rf'^{indent.group()}', '', block, flags=re.MULTILINE)
    return re.sub(r'^(\s*)[!%].*$', r'\1pass', block, flags=re.MULTILINE)


def main(arguments: Sequence[str]) -> None:
    """Makes the files of a recipe."""
    for each in json.loads(arguments[0]):
        given = {'make': each} if isinstance(each, str) else dict(each)
        globals()[given.pop('make')](**given)


if __name__ == '__main__':
    main(sys.argv[1:])
