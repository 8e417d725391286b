"""LangChain: chat, streaming, tools, embeddings, and a retriever over the vector store search."""

import sys

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import OpenAI
from pydantic import BaseModel

QUESTION = "How long does the standard warranty last?"


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"4 degrees in {city}"


class Months(BaseModel):
    """A structured answer."""

    months: int


class StoreRetriever(BaseRetriever):
    """Passages of a vector store."""

    url: str
    store: str

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        with OpenAI(base_url=self.url, api_key="any") as client:
            found = client.vector_stores.search(vector_store_id=self.store, query=query, max_num_results=3)
        return [Document(hit.content[0].text, metadata={"source": hit.filename}) for hit in found.data]


def main() -> None:
    url = f"{sys.argv[1]}/v1"
    chat = ChatOpenAI(model="tiny", base_url=url, api_key="any", max_retries=0)
    whole = chat.invoke(QUESTION)
    assert whole.content == "The warranty lasts 26 months. [1]", whole
    assert whole.usage_metadata["input_tokens"] > 0
    assert whole.usage_metadata["input_token_details"]["cache_read"] is not None
    chunks = list(chat.stream(QUESTION, stream_usage=True))
    assert "".join(chunk.content for chunk in chunks) == whole.content
    chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")]) | chat
    assert (chain | StrOutputParser()).invoke({"question": QUESTION}) == whole.content

    able = chat.bind_tools([get_weather])
    asked = HumanMessage("What is the weather in Bergen?")
    answer = able.invoke([asked])
    call = answer.tool_calls[0]
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Bergen"})
    result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    assert "4 degrees" in able.invoke([asked, answer, result]).content
    structured = chat.with_structured_output(Months, method="json_schema")
    assert structured.invoke("As JSON: how many months?") == Months(months=26)

    embeddings = OpenAIEmbeddings(model="fake", base_url=url, api_key="any", check_embedding_ctx_length=False)
    assert [len(vector) for vector in embeddings.embed_documents(["one river", "two"])] == [64, 64]
    assert len(embeddings.embed_query("one river")) == 64

    documents = StoreRetriever(url=url, store="default").invoke("warranty")
    assert any("26 months" in document.page_content for document in documents), documents


if __name__ == "__main__":
    main()
