/** The story's people and machines: one person with an editor and a coordinator, and two agents of another person in another network. */
import {copyFileSync, readdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {Person, ROOT, type Running} from '../integration/person.ts';
import {UserRepository} from '../integration/userRepository.ts';
import {coordinatorArguments, FarAgents} from '../support/farAgents.ts';
import {type ChosenNetwork, farNetwork} from '../support/farNetwork.ts';
import {within} from '../support/waiting.ts';

const STORY = path.join(ROOT, 'test/testdata/plans/story');
const STOP_MS = 30_000;
export const REGION = 'moon';

export class StoryFleet {
  readonly person = new Person();
  readonly repository = makeRepository(this.person);
  private coordinator: Running | undefined;
  private far: FarAgents | undefined;

  private constructor(readonly chosen: ChosenNetwork) {}

  /** Resolves when the agents have joined. */
  static async start(install: boolean): Promise<StoryFleet> {
    const chosen = farNetwork(install);
    const fleet = new StoryFleet(chosen);
    try {
      await fleet.begin();
      return fleet;
    } catch (error) {
      await fleet.leave();
      throw error;
    }
  }

  private async begin(): Promise<void> {
    const {person, chosen, repository} = this;
    giveClaude(person);
    this.coordinator = person.start(coordinatorArguments(chosen.network));
    await this.coordinator.saw(/the coordinator is ready/);
    this.far = await FarAgents.join({
      host: person,
      network: chosen.network,
      ids: ['far-1', 'far-2'],
      region: REGION,
      script: path.join(repository.folder, 'team.rehearsal.yaml'),
    });
  }

  /** Everything ends, the last that was begun first, whatever fails on the way. */
  async leave(): Promise<void> {
    const failures: unknown[] = [];
    const tried = (work: Promise<unknown> | undefined): Promise<unknown> =>
      Promise.resolve(work).catch((error: unknown) => failures.push(error));
    // Whatever a failed story left running.
    if (this.coordinator) await tried(this.person.mcpx(['stop', '--all', '--grace', '1']));
    await tried(this.far?.leave());
    this.coordinator?.signal('SIGTERM');
    await tried(this.coordinator && within(this.coordinator.ended, STOP_MS, 'the coordinator to end'));
    await tried(this.person.leave());
    await tried(this.chosen.network.leave());
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('\n'));
  }
}

/** The extension brings no Claude Code: a person's shell finds one, and the editor asks the shell. */
function giveClaude(person: Person): void {
  const name = `claude-agent-sdk-${process.platform}-${process.arch}`;
  const folder = path.join(ROOT, 'node_modules/@anthropic-ai', name);
  writeFileSync(path.join(person.home, '.profile'), `PATH="${folder}:$PATH"\n`);
}

function makeRepository(person: Person): UserRepository {
  const repository = UserRepository.create(path.join(person.root, 'greeter'), person.env, {
    copyOf: path.join(ROOT, 'examples/greeter'),
  });
  for (const name of readdirSync(STORY))
    copyFileSync(path.join(STORY, name), path.join(repository.folder, name));
  repository.commit('The story');
  // Accepting is done in the person's name.
  repository.git('config', 'user.name', 'Robin');
  repository.git('config', 'user.email', 'robin@example.org');
  return repository;
}
