"""OpenAI's Agents SDK: a function tool over chat completions, `FileSearchTool` over responses."""

import asyncio
import sys

from agents import (
    Agent,
    FileSearchTool,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

QUESTION = "How long does the standard warranty last?"


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"4 degrees in {city}"


async def run(url: str) -> None:
    set_tracing_disabled(disabled=True)
    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
    chat = OpenAIChatCompletionsModel(model="tiny", openai_client=client)
    agent = Agent(name="Weather", instructions="Use the tool.", model=chat, tools=[get_weather])
    told = await Runner.run(agent, "What is the weather in Bergen?")
    assert "4 degrees" in told.final_output, told.final_output
    streamed = Runner.run_streamed(Agent(name="Plain", model=chat), QUESTION)
    async for _ in streamed.stream_events():
        pass
    assert streamed.final_output == "The warranty lasts 26 months. [1]"
    search = FileSearchTool(vector_store_ids=["default"], max_num_results=3, include_search_results=True)
    model = OpenAIResponsesModel(model="tiny", openai_client=client)
    found = await Runner.run(Agent(name="Search", model=model, tools=[search]), QUESTION)
    assert found.final_output == "The warranty lasts 26 months. [1]"
    assert any(item.type == "tool_call_item" for item in found.new_items)
    await client.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
