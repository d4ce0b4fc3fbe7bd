/** What the servers of the conformance scenarios ask of a client: forms, completions of a model, roots. */

export interface Form {
  readonly message: string;
  readonly requestedSchema: {
    readonly type: 'object';
    // biome-ignore lint/suspicious/noExplicitAny: the SDKs' own schema types differ
    readonly properties: Record<string, any>;
    readonly required?: string[];
  };
}

/** A form with one field. */
export function oneField(message: string, name: string, type: 'string' | 'boolean' = 'string'): Form {
  return {message, requestedSchema: {type: 'object', properties: {[name]: {type}}, required: [name]}};
}

export function completion(prompt: string): {
  messages: {role: 'user'; content: {type: 'text'; text: string}}[];
  maxTokens: number;
} {
  return {messages: [{role: 'user', content: {type: 'text', text: prompt}}], maxTokens: 100};
}

/** SEP-1034: each primitive type with a default. */
export const DEFAULTS_FORM: Form = {
  message: 'Please review the fields',
  requestedSchema: {
    type: 'object',
    properties: {
      name: {type: 'string', default: 'John Doe'},
      age: {type: 'integer', default: 30},
      score: {type: 'number', default: 95.5},
      status: {type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active'},
      verified: {type: 'boolean', default: true},
    },
    required: [],
  },
};

const OPTIONS = ['option1', 'option2', 'option3'];
const TITLED = [
  {const: 'value1', title: 'First'},
  {const: 'value2', title: 'Second'},
  {const: 'value3', title: 'Third'},
];

/** SEP-1330: one and several of a list, with and without titles, and the older way to give titles. */
export const ENUMS_FORM: Form = {
  message: 'Please choose',
  requestedSchema: {
    type: 'object',
    properties: {
      untitledSingle: {type: 'string', enum: OPTIONS},
      titledSingle: {type: 'string', oneOf: TITLED},
      legacyEnum: {type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['One', 'Two', 'Three']},
      untitledMulti: {type: 'array', minItems: 1, maxItems: 3, items: {type: 'string', enum: OPTIONS}},
      titledMulti: {type: 'array', minItems: 1, maxItems: 3, items: {anyOf: TITLED}},
    },
    required: [],
  },
};
