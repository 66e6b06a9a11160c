"""Public names of sources, and what of a command line may be shown."""

import pytest

from estimator_lab.data.storage.names import private_name, publish, shown_argument


@pytest.mark.parametrize(
    ('argument', 'shown'),
    [
        ('--data=a.tar,b.tar', '--data=a.tar,b.tar'),
        ('--data=https://u:SECRET@h/a.tar?k=SECRET,b.tar', '--data=https://h/a.tar?...'),
        ('--data=b.tar,s3://id:SECRET@b/a.tar', '--data=b.tar,s3://b/a.tar'),
        ("--data=pipe:curl -H 'Authorization: SECRET' https://h", '--data=pipe:curl ...'),
        ('--data=https://u:SECRET@h/a.tar,pipe:curl SECRET', '--data=https://h/a.tar,pipe:curl ...'),
        ('pipe:aws SECRET', 'pipe:aws ...'),
        ('--note=a pipe: of https://u:SECRET@h', '--note=a pipe: of https://h'),
        ('--data', '--data'),
        ('https://u:SECRET@h/a.tar', 'https://h/a.tar'),
    ],
)
def test_arguments_are_shown_without_credentials(argument, shown):
    assert shown_argument(argument) == shown


def test_a_public_name_leads_back_to_the_source():
    for source in ('https://u:p@names/a.tar?x=1', 'https://u:p@names/a.tar?x=2', 'pipe:names 1', 'a/b.tar'):
        name = publish(source)
        assert private_name(name) == source and publish(name) == name == publish(source)
    assert publish('https://names/plain.tar') == 'https://names/plain.tar'
