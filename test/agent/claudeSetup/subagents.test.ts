/** Subagents of Claude Code, read from their files, as specialisations of an agent. */
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {
  parseSubagent,
  readSubagents,
  withSubagents,
} from '../../../coordinator/agent/claudeSetup/subagents.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {AgentCapability} from '../../../coordinator/protocol/capability.ts';

const REVIEWER = `---
name: security-reviewer
description: Looks for holes.
tools: Read, Grep,  Bash
model: opus
---
You are a reviewer.
---
This is no head.
`;

describe('subagents', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-subagents-'));
  });
  afterEach(() => rmSync(folder, {recursive: true}));

  const write = (part: string, file: string, text: string): void => {
    mkdirSync(path.join(folder, part), {recursive: true});
    writeFileSync(path.join(folder, part, file), text);
  };

  it('are what the head of their file says', () => {
    assert.deepEqual(parseSubagent(REVIEWER, 'other.md'), {
      name: 'security-reviewer',
      description: 'Looks for holes.',
      tools: ['Read', 'Grep', 'Bash'],
      model: 'opus',
    });
    assert.deepEqual(parseSubagent('---\r\ntools: [Read]\r\n---\r\n', 'tester.md'), {
      name: 'tester',
      description: '',
      tools: ['Read'],
    });
  });

  it('are no notes, and nothing whose head cannot be read', () => {
    for (const text of [
      '# Notes\n',
      '',
      '---\nname: x\n',
      '---\n[1, 2\n---\n',
      '---\njust text\n---\n',
      '---\nname: 7\n---\n',
    ])
      assert.equal(parseSubagent(text, 'a.md'), undefined, JSON.stringify(text));
  });

  it('of the project come before those of the user; a folder may be missing', async () => {
    write('project', 'security-reviewer.md', REVIEWER);
    write('project', 'README.md', '# not one\n');
    write('project', 'tester.md', '---\ndescription: of the project\n---\n');
    write('user', 'tester.md', '---\ndescription: of the user\n---\n');
    write('user', 'analyst.md', '---\ndescription: Does analysis of data.\n---\n');
    const folders = ['project', 'nowhere', 'user'].map(part => path.join(folder, part));
    const subagents = await readSubagents(folders, silentLogger);
    assert.deepEqual(
      subagents.map(({name, description}) => [name, description]),
      [
        ['security-reviewer', 'Looks for holes.'],
        ['tester', 'of the project'],
        ['analyst', 'Does analysis of data.'],
      ],
    );
    const declared = AgentCapability.parse({
      domain: 'development',
      specialization: ['go'],
      proficiencyLevel: 'expert',
    });
    assert.deepEqual(
      withSubagents([declared], subagents).map(({domain, proficiencyLevel, specialization}) => [
        domain,
        proficiencyLevel,
        specialization,
      ]),
      [
        ['development', 'expert', ['go', 'tester']],
        ['security', 'intermediate', ['security-reviewer']],
        ['analysis', 'intermediate', ['analyst']],
      ],
    );
  });
});
