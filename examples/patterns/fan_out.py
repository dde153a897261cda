"""Fan-out, fan-in: as many activities at once as there is work, over all workers, and one result.

python -m examples.patterns.fan_out
"""

from __future__ import annotations

import asyncio

from stead.app import App
from stead.orchestrations import OrchestrationContext

app = App("fan-out")


@app.activity
def count_words(text: str) -> dict[str, int]:
    """How often each word is in a text. Not `async`, so it runs in a thread."""
    words = text.lower().split()
    return {word: words.count(word) for word in words}


@app.orchestration
async def most_frequent(context: OrchestrationContext, texts: list[str]) -> str:
    """The most frequent word of all texts; of equally frequent ones the first in the alphabet."""
    counts = await asyncio.gather(*(context.call_activity(count_words, text) for text in texts))
    total: dict[str, int] = {}
    for count in counts:
        for word, times in count.items():
            total[word] = total.get(word, 0) + times
    return min(total, key=lambda word: (-total[word], word))


async def main() -> None:
    """Count the words of some texts."""
    url = "memory://"
    texts = ["a rose is a rose", "a rose by any other name", "the name of the rose"]
    async with app.worker(url), app.connect(url) as client:
        instance_id = await client.start_new(most_frequent, texts)
        print("most frequent:", (await client.wait_for_completion(instance_id)).output)


if __name__ == "__main__":
    asyncio.run(main())
