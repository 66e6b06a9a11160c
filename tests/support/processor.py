"""What the processor of this machine is, on Linux."""

from pathlib import Path


def _properties() -> dict[str, str]:
    """Returns the properties of the first processor by name; {} if the system has no such list."""
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').partition('\n\n')[0].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(':') for line in lines)}


def processor() -> str:
    """Returns the name of the processor, such as 'AMD EPYC'."""
    return _properties().get('model name', 'unknown processor')


def supports_bfloat16() -> bool:
    """Returns whether the processor multiplies bfloat16."""
    return not {'avx512_bf16', 'amx_bf16'}.isdisjoint(_properties().get('flags', '').split())
