// Where answers come from: a server, or the page itself if it was written as one file.

class Embedded {
  constructor({ run, pipeline, answers }) {
    this.run = run;
    this.pipeline = pipeline;
    this.isLive = false;
    this.answers = new Map(answers.map(({ question, about, answer }) => [keyOf(question, about), answer]));
  }

  has(question, about) {
    return this.answers.has(keyOf(question, about));
  }

  async ask(question, about = {}) {
    const answer = this.answers.get(keyOf(question, about));
    if (!answer) throw new Error("This is not on the page: it was written for one run. `zencache ui` shows everything.");
    if (answer.error) throw new Error(answer.error);
    return answer;
  }
}

class Server {
  /** `first` are the answers that came with the page; each is given once. */
  constructor(first) {
    this.run = null;
    this.isLive = true;
    this.first = new Map(first.map(({ question, about, answer }) => [keyOf(question, about), answer]));
  }

  has() {
    return true;
  }

  async ask(question, about = {}) {
    const first = this.first.get(keyOf(question, about));
    if (first) {
      this.first.delete(keyOf(question, about));
      return first;
    }
    let response;
    try {
      response = await fetch(`api/${question}?${new URLSearchParams(about)}`);
    } catch {
      throw new Error("The server does not answer. Is `zencache ui` still running?");
    }
    const answer = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
    if (!response.ok) throw new Error(answer.error ?? `The server answered ${response.status}.`);
    return answer;
  }
}

function keyOf(question, about) {
  return JSON.stringify([question, Object.entries(about).map(([name, value]) => [name, String(value)]).sort()]);
}

function carried(id) {
  const element = document.getElementById(id);
  return element && JSON.parse(element.textContent);
}

const answers = carried("answers");
export const source = answers ? new Embedded(answers) : new Server(carried("first") ?? []);
