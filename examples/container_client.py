"""Generate an image at BASE_URL with API_KEY, and fetch it: the client of compose.yaml."""

import json
import os
from urllib.request import Request, urlopen

request = Request(
    f"{os.environ['BASE_URL']}/images/generations",
    json.dumps({"model": "gpt-image-2", "prompt": "A lighthouse at dusk"}).encode(),
    {
        "Authorization": f"Bearer {os.environ['API_KEY']}",
        "Content-Type": "application/json",
    },
)
with urlopen(request, timeout=60) as response:
    generation = json.load(response)
with urlopen(generation["images"][0]["url"], timeout=60) as response:
    image = response.read()
print(f"{len(image)} bytes, {generation['balance']['credits']} credits left")
