import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))

from tests.interop.browser import driven
from tests.needs import there

# A page of no server asks, which is not allowed to without the first option.
OPTIONS = ("--disable-web-security", "--ignore-certificate-errors")
ASK = """fetch({url}, {{signal: AbortSignal.timeout(3000)}}).then((answer) => {{
    if (!answer.ok) throw new Error(`status ${{answer.status}}`);
    return answer.text();
}})"""

with (
    tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
    driven({"HOME": folder, "PATH": ""}, there("chromium"), Path(folder), *OPTIONS) as page,
):
    text = page.ask(ASK.format(url=json.dumps(sys.argv[1])))
sys.stdout.write(text)
