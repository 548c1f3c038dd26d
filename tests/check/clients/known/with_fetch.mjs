const answer = await fetch(process.argv[2], { signal: AbortSignal.timeout(3000) });
if (!answer.ok) throw new Error(`status ${answer.status}`);
process.stdout.write(Buffer.from(await answer.arrayBuffer()));
