// The client of `ffebm lsp`: starts the server for .ffe files and hands everything to it.
"use strict";

const path = require("node:path");
const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

function serverOptions() {
  const [command, ...args] = workspace.getConfiguration("ffe").get("command");
  const folder = workspace.workspaceFolders?.[0]?.uri.fsPath;
  const isPath = command.includes("/") || command.includes("\\");
  const program = isPath && folder ? path.resolve(folder, command) : command;
  return { command: program, args, options: { cwd: folder } };
}

async function start() {
  client = new LanguageClient("ffe", "ffe", serverOptions(), {
    documentSelector: [{ language: "ffe" }],
  });
  try {
    await client.start();
  } catch (error) {
    window.showErrorMessage(
      `The ffe language server did not start: ${error.message}. ` +
        "Install it with `pip install ffebm`, or set `ffe.command`.",
    );
  }
}

async function stop() {
  // A client that never started cannot be stopped.
  if (client?.isRunning()) {
    await client.stop();
  }
  client = undefined;
}

async function restart() {
  await stop();
  await start();
}

async function activate(context) {
  context.subscriptions.push(
    commands.registerCommand("ffe.restartServer", restart),
    workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("ffe.command")) {
        restart();
      }
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
