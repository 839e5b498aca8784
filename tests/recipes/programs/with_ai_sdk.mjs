// What the AI SDK does with the provider of the recipe: streams, a loop with a tool, an object, a conversation.
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { anthropic, answer } from "./recipe.mjs";

const model = anthropic("claude-opus-5-5");

const streamed = [];
for await (const piece of streamText({ model, prompt: "Tell me [[sim: say=one two three four five six]]" }).textStream) {
  streamed.push(piece);
}

const getWeather = tool({
  description: "The weather in a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `12 degrees in ${city}`,
});
const loop = await generateText({
  model,
  tools: { getWeather },
  stopWhen: stepCountIs(4),
  prompt: 'Weather? [[sim: tool=getWeather input={"city":"Oslo"} think=30]] [[sim: say=Rain]]',
});
const { object } = await generateObject({
  model,
  schema: z.object({ city: z.string(), degrees: z.number() }),
  prompt: "The weather in Oslo?",
});

const messages = [];
const usages = [];
for (let turn = 0; turn < 3; turn += 1) {
  messages.push({ role: "user", content: `Question ${turn}?` });
  const done = await generateText({ model, system: process.argv[2], messages });
  messages.push(...done.response.messages);
  usages.push(done.usage);
}

console.log(
  JSON.stringify({
    plain: answer.text,
    streamed,
    tool: loop.steps.flatMap((step) => step.toolResults.map((result) => result.output)),
    last: loop.text,
    object: Object.keys(object).sort(),
    usages,
  }),
);
