/** What both servers of the conformance scenarios have in common: the names that scenarios call, and what is found there. No era, no SDK. */

/** One red pixel. */
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
/** No samples. */
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';

const text = (words: string): {type: 'text'; text: string} => ({type: 'text', text: words});
const image = {type: 'image' as const, data: PNG, mimeType: 'image/png'};

export function says(words: string): {content: {type: 'text'; text: string}[]} {
  return {content: [text(words)]};
}

/** Tools without arguments that always answer the same. */
export const FIXED_TOOLS = {
  test_simple_text: [text('This is a simple text response for testing.')],
  test_image_content: [image],
  test_audio_content: [{type: 'audio' as const, data: WAV, mimeType: 'audio/wav'}],
  test_embedded_resource: [
    {
      type: 'resource' as const,
      resource: {uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'An embedded resource.'},
    },
  ],
  test_multiple_content_types: [
    text('Several kinds of content:'),
    image,
    {
      type: 'resource' as const,
      resource: {uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"value":123}'},
    },
  ],
  test_streaming_elicitation: [text('There is nothing to ask.')],
} as const;

export const LOG_LINES = ['Tool execution started', 'Tool processing data', 'Tool execution completed'];
export const PROGRESS_STEPS = [0, 50, 100];

/** Keywords of JSON Schema 2020-12 that must come through as they are. */
export const SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: {street: {type: 'string'}, city: {type: 'string'}},
    },
  },
  properties: {
    name: {type: 'string'},
    address: {$ref: '#/$defs/address'},
    contactMethod: {type: 'string', enum: ['phone', 'email']},
    phone: {type: 'string'},
    email: {type: 'string'},
  },
  allOf: [{anyOf: [{required: ['phone']}, {required: ['email']}]}],
  if: {properties: {contactMethod: {const: 'phone'}}, required: ['contactMethod']},
  then: {required: ['phone']},
  else: {required: ['email']},
  additionalProperties: false,
} as const;

/** Resources by URI. */
export const RESOURCES = {
  'test://static-text': {
    name: 'static-text',
    mimeType: 'text/plain',
    content: {text: 'This is the content of the static text resource.'},
  },
  'test://static-binary': {name: 'static-binary', mimeType: 'image/png', content: {blob: PNG}},
  'test://watched-resource': {
    name: 'watched-resource',
    mimeType: 'text/plain',
    content: {text: 'Whoever subscribes is told of changes.'},
  },
} as const;

export const TEMPLATE = 'test://template/{id}/data';
export const TEMPLATE_URI = /^test:\/\/template\/([^/]+)\/data$/;

export function templateContent(uri: string, id: string): {uri: string; mimeType: string; text: string} {
  return {
    uri,
    mimeType: 'application/json',
    text: JSON.stringify({id, templateTest: true, data: `Data for ID: ${id}`}),
  };
}

type PromptContent =
  | {type: 'text'; text: string}
  | typeof image
  | {type: 'resource'; resource: {uri: string; mimeType: string; text: string}};

interface PromptFixture {
  readonly arguments: readonly string[];
  messages(args: Readonly<Record<string, string>>): PromptContent[];
}

export const PROMPTS: Readonly<Record<string, PromptFixture>> = {
  test_simple_prompt: {arguments: [], messages: () => [text('This is a simple prompt for testing.')]},
  test_prompt_with_arguments: {
    arguments: ['arg1', 'arg2'],
    messages: ({arg1, arg2}) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  },
  test_prompt_with_embedded_resource: {
    arguments: ['resourceUri'],
    messages: ({resourceUri = ''}) => [
      {type: 'resource', resource: {uri: resourceUri, mimeType: 'text/plain', text: 'An embedded resource.'}},
      text('Please process the embedded resource above.'),
    ],
  },
  test_prompt_with_image: {arguments: [], messages: () => [image, text('Please analyze the image above.')]},
};
