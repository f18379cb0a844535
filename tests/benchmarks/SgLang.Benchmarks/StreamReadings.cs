using System.Diagnostics;
using System.Text;

namespace SgLang.Benchmarks;

/// <summary>What the readers of a load saw, as it crosses from their process.</summary>
/// <param name="Streams">Each stream's ids with the time stamps (of the whole machine) of their arrival.</param>
/// <param name="Cpu">Processor time of the readers' process.</param>
/// <param name="Health">Milliseconds from each question after the server's health to the arrival of its answer, ascending.</param>
internal sealed record StreamReadings((int Id, long At)[][] Streams, long Requests, long Tokens, long Events, long Disordered, TimeSpan Cpu, double[] Health)
{
    public static void Write(Stream output, StreamReader[] readers, IReadOnlyList<double> health)
    {
        using var writer = new BinaryWriter(output, Encoding.UTF8, leaveOpen: true);
        writer.Write(readers.Length);
        foreach (StreamReader reader in readers)
        {
            writer.Write(reader.Arrived.Count);
            foreach ((int id, long at) in reader.Arrived)
            {
                writer.Write(id);
                writer.Write(at);
            }
        }
        writer.Write(readers.Sum(reader => reader.Requests));
        writer.Write(readers.Sum(reader => reader.Tokens));
        writer.Write(readers.Sum(reader => reader.Events));
        writer.Write(readers.Sum(reader => reader.Disordered));
        writer.Write(Process.GetCurrentProcess().TotalProcessorTime.Ticks);
        writer.Write(health.Count);
        foreach (double milliseconds in health) writer.Write(milliseconds);
    }

    public static StreamReadings Read(Stream input)
    {
        using var reader = new BinaryReader(input, Encoding.UTF8, leaveOpen: true);
        var streams = new (int, long)[reader.ReadInt32()][];
        for (int i = 0; i < streams.Length; i++)
        {
            streams[i] = new (int, long)[reader.ReadInt32()];
            for (int j = 0; j < streams[i].Length; j++) streams[i][j] = (reader.ReadInt32(), reader.ReadInt64());
        }
        (long requests, long tokens, long events, long disordered, var cpu) = (reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), new TimeSpan(reader.ReadInt64()));
        double[] health = new double[reader.ReadInt32()];
        for (int i = 0; i < health.Length; i++) health[i] = reader.ReadDouble();
        return new StreamReadings(streams, requests, tokens, events, disordered, cpu, [.. health.Order()]);
    }
}
