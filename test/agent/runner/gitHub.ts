/** A scripted hub with a real artifact store and a git project, for attempts that leave commits. `trouble` answers artifact requests in its place. */
import type {IncomingMessage, ServerResponse} from 'node:http';
import path from 'node:path';
import type {Agent} from '../../../coordinator/agent/agent.ts';
import type {AgentOptions} from '../../../coordinator/agent/agentOptions.ts';
import {ArtifactClient} from '../../../coordinator/artifacts/artifactClient.ts';
import {artifactRequests} from '../../../coordinator/artifacts/artifactRequests.ts';
import {ArtifactStore} from '../../../coordinator/artifacts/artifactStore.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {DEFAULT_TENANT} from '../../../coordinator/protocol/ids.ts';
import type {CommitBundle} from '../../../coordinator/protocol/model/session.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {GitProject} from '../../artifacts/gitProject.ts';
import {type Assign, startAgent} from '../agentFixture.ts';
import {FakeHub} from '../fakeHub.ts';
import {temporaryFolder} from '../supervisor/support.ts';

const services = {clock: systemClock, logger: silentLogger, random: systemRandom};

export class GitHub {
  readonly project: GitProject;
  /** Whether it has answered the request itself. */
  trouble: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  private readonly bundles: CommitBundle[] = [];
  private readonly agents: Agent[] = [];
  private readonly client: ArtifactClient;

  private constructor(
    readonly folder: ReturnType<typeof temporaryFolder>,
    readonly hub: FakeHub,
  ) {
    const baseUrl = hub.url.replace('ws:', 'http:');
    this.client = new ArtifactClient(() => ({baseUrl, tenant: DEFAULT_TENANT}), services);
    this.project = new GitProject(path.join(folder.path, 'project'));
    hub.answers['mcpx.coordinate.dependency.resolve'] = () => ({results: [], bundles: this.bundles});
  }

  static async open(): Promise<GitHub> {
    const folder = temporaryFolder();
    const store = await ArtifactStore.open({
      folder: path.join(folder.path, 'store'),
      ...services,
      limits: {reserveBytes: 0},
    });
    const handle = artifactRequests(store, () => ({kind: 'allowed'}), silentLogger);
    let own: GitHub | undefined;
    const hub = await FakeHub.listen((request, response) => {
      if (!own?.trouble(request, response)) void handle(request, response);
    });
    own = new GitHub(folder, hub);
    return own;
  }

  async close(): Promise<void> {
    await Promise.all(this.agents.map(agent => agent.stop('test over', {now: true})));
    this.client.dispose();
    await this.hub.close();
    this.folder.remove();
  }

  async start(more: Partial<AgentOptions> = {}): Promise<Agent> {
    const agent = await startAgent(path.join(this.folder.path, 'agent'), this.hub.url, more);
    this.agents.push(agent);
    await agent.link.whenUp();
    return agent;
  }

  /** A commit that every attempt can have, and a workspace that starts from it. */
  async workspace(files: Record<string, string> = {'a.txt': 'a\n'}): Promise<Assign['workspace']> {
    const commit = this.project.commit(files);
    const ref = `refs/mcpx/commits/${commit}`;
    const file = path.join(this.folder.path, `${commit}.bundle`);
    this.project.git('update-ref', ref, commit);
    this.project.git('bundle', 'create', '-q', file, ref);
    this.bundles.push({commit, prerequisites: [], ...(await this.client.upload({file}))});
    return {kind: 'git', repositoryId: 'project', base: commit, inputs: [], setup: []};
  }

  attemptFolder(attemptId: string): string {
    return path.join(this.folder.path, 'agent', 'workspaces', 'attempts', attemptId);
  }
}
