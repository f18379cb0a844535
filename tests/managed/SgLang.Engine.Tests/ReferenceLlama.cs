using System.Buffers.Binary;
using System.Text.Json;

namespace SgLang.Engine.Tests;

/// <summary>
/// The Llama of "LLaMA: Open and Efficient Foundation Language Models" with grouped queries, written out in double precision over a
/// checkpoint's own weights: no cache, no batch, no kernel of this repository.
/// </summary>
internal sealed class ReferenceLlama
{
    private readonly Dictionary<string, double[]> _weights;
    private readonly int _hidden, _layers, _heads, _kvHeads, _headDim;
    private readonly double _eps, _theta;

    public ReferenceLlama(string directory)
    {
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, "config.json")));
        JsonElement of = config.RootElement;
        _hidden = of.GetProperty("hidden_size").GetInt32();
        _layers = of.GetProperty("num_hidden_layers").GetInt32();
        _heads = of.GetProperty("num_attention_heads").GetInt32();
        _kvHeads = of.GetProperty("num_key_value_heads").GetInt32();
        _headDim = of.GetProperty("head_dim").GetInt32();
        _eps = of.GetProperty("rms_norm_eps").GetDouble();
        _theta = of.GetProperty("rope_theta").GetDouble();
        _weights = Read(Path.Combine(directory, "model.safetensors"));
    }

    /// <summary>[hidden] of the last token after the last norm.</summary>
    public double[] LastHidden(int[] ids)
    {
        double[] embedding = _weights["model.embed_tokens.weight"];
        double[][] x = [.. ids.Select(id => embedding.AsSpan(id * _hidden, _hidden).ToArray())];
        for (int layer = 0; layer < _layers; layer++)
        {
            string at = $"model.layers.{layer}.";
            double[][] attended = Attention(at, [.. x.Select(row => Norm(row, at + "input_layernorm.weight"))]);
            for (int t = 0; t < x.Length; t++)
            {
                Add(x[t], attended[t]);
                Add(x[t], Mlp(at, Norm(x[t], at + "post_attention_layernorm.weight")));
            }
        }
        return Norm(x[^1], "model.norm.weight");
    }

    /// <summary>The likeliest next token: the head is the embedding matrix.</summary>
    public int Next(double[] lastHidden)
    {
        double[] logits = Linear("model.embed_tokens.weight", lastHidden);
        return Array.IndexOf(logits, logits.Max());
    }

    private double[][] Attention(string at, double[][] x)
    {
        double[][] queries = [.. x.Select((row, t) => Rotate(Linear(at + "self_attn.q_proj.weight", row), t))];
        double[][] keys = [.. x.Select((row, t) => Rotate(Linear(at + "self_attn.k_proj.weight", row), t))];
        double[][] values = [.. x.Select(row => Linear(at + "self_attn.v_proj.weight", row))];
        double[][] result = new double[x.Length][];
        for (int t = 0; t < x.Length; t++)
        {
            double[] joined = new double[_heads * _headDim];
            for (int head = 0; head < _heads; head++)
            {
                int q = head * _headDim, kv = head / (_heads / _kvHeads) * _headDim;
                double[] scores = new double[t + 1];
                for (int s = 0; s <= t; s++)
                {
                    for (int d = 0; d < _headDim; d++) scores[s] += queries[t][q + d] * keys[s][kv + d];
                    scores[s] /= Math.Sqrt(_headDim);
                }
                double largest = scores.Max(), sum = scores.Sum(score => Math.Exp(score - largest));
                for (int s = 0; s <= t; s++)
                    for (int d = 0; d < _headDim; d++) joined[q + d] += Math.Exp(scores[s] - largest) / sum * values[s][kv + d];
            }
            result[t] = Linear(at + "self_attn.o_proj.weight", joined);
        }
        return result;
    }

    private double[] Mlp(string at, double[] x)
    {
        double[] gate = Linear(at + "mlp.gate_proj.weight", x), up = Linear(at + "mlp.up_proj.weight", x);
        for (int i = 0; i < gate.Length; i++) gate[i] = gate[i] / (1 + Math.Exp(-gate[i])) * up[i];
        return Linear(at + "mlp.down_proj.weight", gate);
    }

    /// <summary>Rotary embedding of every head: the two halves of a head are the parts of complex numbers.</summary>
    private double[] Rotate(double[] x, int position)
    {
        double[] rotated = new double[x.Length];
        int half = _headDim / 2;
        for (int first = 0; first < x.Length; first += _headDim)
        {
            for (int i = 0; i < half; i++)
            {
                (double sin, double cos) = Math.SinCos(position / Math.Pow(_theta, 2.0 * i / _headDim));
                double a = x[first + i], b = x[first + half + i];
                rotated[first + i] = a * cos - b * sin;
                rotated[first + half + i] = b * cos + a * sin;
            }
        }
        return rotated;
    }

    private double[] Norm(double[] x, string weight)
    {
        double scale = 1 / Math.Sqrt(x.Sum(value => value * value) / x.Length + _eps);
        return [.. x.Zip(_weights[weight], (value, factor) => value * scale * factor)];
    }

    private double[] Linear(string weight, double[] x)
    {
        double[] rows = _weights[weight], y = new double[rows.Length / x.Length];
        for (int i = 0; i < y.Length; i++)
            for (int j = 0; j < x.Length; j++) y[i] += rows[i * x.Length + j] * x[j];
        return y;
    }

    private static void Add(double[] x, double[] y)
    {
        for (int i = 0; i < x.Length; i++) x[i] += y[i];
    }

    /// <summary>Every tensor of a safetensors file of bfloat16.</summary>
    private static Dictionary<string, double[]> Read(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int headerLength = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, headerLength));
        var tensors = new Dictionary<string, double[]>();
        foreach (JsonProperty tensor in header.RootElement.EnumerateObject())
        {
            if (tensor.NameEquals("__metadata__")) continue;
            Assert.Equal("BF16", tensor.Value.GetProperty("dtype").GetString());
            JsonElement offsets = tensor.Value.GetProperty("data_offsets");
            int begin = 8 + headerLength + offsets[0].GetInt32(), count = (offsets[1].GetInt32() - offsets[0].GetInt32()) / 2;
            double[] values = new double[count];
            for (int i = 0; i < count; i++) values[i] = BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(begin + 2 * i)) << 16);
            tensors.Add(tensor.Name, values);
        }
        return tensors;
    }
}
